import Koa from 'koa'
import { type Qos, type QosOptions, qos } from '../../src/flow/qos.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Asking, type Served, serve } from '../support/serve.js'

/** A request that the handler is at. */
export interface Visit {
  readonly ctx: Koa.Context
  /** Lets the handler answer. */
  answer(): void
  /** Lets the handler throw. */
  fail(error: Error): void
}

export interface QosScene extends Served {
  readonly clock: ManualClock
  readonly app: Koa
  readonly qos: Qos
  /** Who was let in, in order, by path. */
  readonly order: string[]
  /** The most that ran at once. */
  readonly most: number
  /** Those that run, by path. */
  readonly at: Map<string, Visit>
  /** Asks, and waits until it runs. */
  enter(path: string): Promise<{ asking: Asking; visit: Visit }>
  /** Asks, and waits until it is in the line. */
  queue(path: string, headers?: Record<string, string>): Promise<{ asking: Asking }>
  /** The visit under this path, when it has come. */
  visit(path: string): Promise<Visit>
  /** Lets all that run and wait be answered. */
  end(): Promise<void>
}

/** An app with `qos()` by one line, and a handler below it that answers when the test says so. */
export async function qosScene(
  options: QosOptions = {},
  build: (app: Koa, qos: Qos, handler: Koa.Middleware) => void = (app, qos, handler) => app.use(qos).use(handler),
): Promise<QosScene> {
  const clock = new ManualClock()
  const middleware = qos({ maxRequests: 1, clock, random: () => 0.5, ...options })
  const order: string[] = []
  const at = new Map<string, Visit>()
  let most = 0
  const app = new Koa()
  build(app, middleware, async (ctx) => {
    order.push(ctx.path)
    await new Promise<void>((resolve, reject) => {
      at.set(ctx.path, { ctx, answer: resolve, fail: reject })
      most = Math.max(most, at.size)
    }).finally(() => at.delete(ctx.path))
    ctx.body = `answer to ${ctx.path}`
  })
  const served = await serve(app)
  const visit = async (path: string): Promise<Visit> => {
    await until(() => at.has(path))
    return at.get(path) as Visit
  }
  return {
    ...served,
    clock,
    app,
    qos: middleware,
    order,
    at,
    visit,
    async end() {
      await until(() => {
        for (const { answer } of at.values()) answer()
        return middleware.running === 0
      })
      await served.close()
    },
    get most() {
      return most
    },
    async enter(path) {
      const asking = served.get(path)
      return { asking, visit: await visit(path) }
    },
    async queue(path, headers) {
      const { suspended } = middleware
      const asking = served.get(path, headers)
      await until(() => middleware.suspended === suspended + 1)
      return { asking }
    },
  }
}
