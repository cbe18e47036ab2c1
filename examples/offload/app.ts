import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import { type Boundary, continuations } from 'koa-continuation'
import { type Offload, type OffloadOptions, offload } from 'koa-continuation/offload'
import hash, { type Hashed, type Task } from './hash.js'
import { Refusal, refusals } from './refusal.js'

export interface HashingApp {
  readonly app: Koa
  readonly boundary: Boundary
  readonly hashing: Offload<Task, Hashed>
}

/** Hashes passwords without stopping for it: in threads, while the requests are put aside. */
export function createApp(options: OffloadOptions = {}): HashingApp {
  const app = new Koa()
  const router = new Router()
  const boundary = continuations()
  const hashing = offload<typeof hash>(new URL('hash.ts', import.meta.url), { maxWaiting: 50, ...options })

  router.post('/hash', (context) => {
    const ctx = context as Koa.Context
    const { continuation } = ctx
    if (continuation.isInitial()) hashing.returnWhen(continuation, taskOf(ctx))
    else ctx.body = continuation.resultOf('hash')
  })

  // the same in the awaiting style
  router.post('/hash/awaited', async (context) => {
    const ctx = context as Koa.Context
    ctx.body = await hashing.waitFor(ctx.continuation, taskOf(ctx))
  })

  // and as it is without off-loading, to be compared: nobody else is answered meanwhile
  router.post('/hash/blocking', (context) => {
    const ctx = context as Koa.Context
    ctx.body = hash(taskOf(ctx))
  })

  const delay = monitorEventLoopDelay({ resolution: 1 })
  router.get('/probe', (ctx) => {
    ctx.body = { delay: sinceLast(delay), hashing: hashing.stats() }
  })

  app.use(refusals)
  app.use(boundary)
  app.use(bodyParser({ enableTypes: ['json'], jsonLimit: '4kb', onError: notReadable }))
  app.use(router.routes())
  app.use(router.allowedMethods())

  return { app, boundary, hashing }
}

/** How late the event loop has been at most since somebody asked last, in milliseconds. */
function sinceLast(delay: IntervalHistogram): { max: number } {
  const max = delay.count === 0 ? 0 : Math.max(0, Math.round(delay.max / 1e5) / 10 - 1)
  delay.reset()
  delay.enable()
  return { max }
}

function taskOf({ request }: Koa.Context): Task {
  const { password, rounds = 4 } = (request.body ?? {}) as Partial<Record<keyof Task, unknown>>
  if (typeof password !== 'string' || password === '') {
    throw new Refusal(400, 'ERR_INVALID_PASSWORD', 'Give a password that is not empty')
  }
  if (typeof rounds !== 'number' || !Number.isInteger(rounds) || rounds < 1 || rounds > 1_000) {
    throw new Refusal(400, 'ERR_INVALID_ROUNDS', 'rounds must be a whole number from 1 to 1000')
  }
  return { password, rounds }
}

function notReadable({ status = 400, message }: Error & { status?: number }): never {
  throw new Refusal(status, status === 413 ? 'ERR_TOO_LARGE' : 'ERR_INVALID_BODY', `Cannot read the body: ${message}`)
}
