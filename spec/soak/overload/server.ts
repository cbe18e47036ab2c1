// An app before something that works on so many at once, with or without qos() above it.
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { type Qos, qos } from '../../../src/flow/qos.js'
import { seeded } from '../../support/random.js'
import { answer } from '../child.js'
import type { AppFigures, AppOptions } from './overload.js'

const random = seeded(1)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What stands behind the app: it works on `workers` at once, and whoever comes more waits there. */
class Resource {
  #free: number
  readonly #waiting: (() => void)[] = []
  constructor(workers: number) {
    this.#free = workers
  }
  async use(ms: number): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
    await sleep(ms)
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

let limit: Qos | undefined
const figures: AppFigures = { most: 0, served: 0, thrown: 0, running: 0, suspended: 0, inHandler: 0 }

async function open({ workers, work, maxRequests, timeout, maxSuspended, throws }: AppOptions): Promise<number> {
  const resource = new Resource(workers)
  const app = new Koa()
  if (maxRequests !== undefined) {
    const priority = (ctx: Koa.Context): number => {
      if (random() < throws) throw new Error('priority throws')
      return Number(ctx.get('x-priority'))
    }
    limit = qos({ maxRequests, maxSuspended, timeout, priority })
    app.use(limit)
  }
  app.use(async (ctx) => {
    figures.inHandler++
    figures.most = Math.max(figures.most, figures.inHandler)
    try {
      await resource.use(work)
      if (random() < throws) {
        figures.thrown++
        throw new Error('the handler throws')
      }
      figures.served++
      ctx.body = 'done'
    } finally {
      figures.inHandler--
    }
  })
  app.silent = true
  const server = app.listen(0, '127.0.0.1', 4_096)
  await new Promise((resolve) => server.once('listening', resolve))
  return (server.address() as AddressInfo).port
}

answer({
  open,
  figures: () => ({ ...figures, running: limit?.running ?? 0, suspended: limit?.suspended ?? 0 }),
})
