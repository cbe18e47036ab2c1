// Compiled, never run: what an editor and a compiler must say of the types of qos, throttle and offload.
import Router from '@koa/router'
import Koa from 'koa'
import type { Continuation } from 'koa-continuation'
import { type OffloadOptions, offload } from 'koa-continuation/offload'
import { OverloadError, type Qos, type QosOptions, qos, SuspensionLimitError } from 'koa-continuation/qos'
import { RateLimitError, type Throttle, type ThrottleOptions, throttle } from 'koa-continuation/throttle'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

const limit = qos({ maxRequests: 10, priority: (ctx) => (ctx.get('authorization') ? 1 : 0), timeout: 0 })
same<typeof limit, Qos>(true)
same<number, typeof limit.running>(true)
// @ts-expect-error it is not the app's to set
limit.running = 5
const options: QosOptions = { maxRequests: { adaptive: true, min: 1, max: 100, initial: 10 } }
qos(options)
qos()
// @ts-expect-error no number
qos({ maxRequests: '10' })
// @ts-expect-error adaptive or a number
qos({ maxRequests: { min: 1, max: 10 } })
// @ts-expect-error there is no such option
qos({ maxWaiting: 5 })
// @ts-expect-error a priority is a number
qos({ priority: (ctx) => ctx.ip })

const rate = throttle({ rate: 1 / 60, burst: 5, policy: false, clientId: (ctx) => ctx.get('x-key') || undefined })
same<typeof rate, Throttle>(true)
same<number, typeof rate.delayed>(true)
const rates: ThrottleOptions = { policy: 'logins', maxClients: 10_000 }
throttle(rates)
// @ts-expect-error a name, or false
throttle({ policy: true })
// @ts-expect-error there is no such option
throttle({ limit: 5 })

// as any middleware, in an app, in a router and before one handler
new Koa().use(limit).use(rate)
new Router().use(limit).get('/', rate, limit, (ctx) => {
  ctx.body = 'fine'
})

export function told(error: unknown): number {
  if (error instanceof OverloadError) same<number, typeof error.timeout>(true)
  if (error instanceof RateLimitError) same<number, typeof error.rate>(true)
  if (error instanceof SuspensionLimitError) return error.limit
  return 0
}

export async function offloads(file: URL, continuation: Continuation, signal: AbortSignal): Promise<void> {
  const hash = offload<(password: string) => Promise<Buffer>>(file)
  const hashed = await hash('secret', { signal, priority: 1, transferList: [] })
  same<Buffer, typeof hashed>(true)
  hash.returnWhen(continuation, 'secret', { as: 'hashed' })
  // @ts-expect-error it needs something
  await hash()
  // @ts-expect-error and nothing else
  await hash.waitFor(continuation, 5)
  // @ts-expect-error there is no such option
  await hash('secret', { as: 'hashed' })

  // a function that takes nothing is given nothing
  const now = offload<() => number>(file)
  const told = await now()
  same<number, typeof told>(true)
  await now(undefined, { signal })
  now.returnWhen(continuation)
  const awaited = await now.waitFor(continuation)
  same<number, typeof awaited>(true)
  // @ts-expect-error nothing
  await now(5)

  // one that may take something may be given it
  const some = offload<(most?: number) => string[]>(file)
  const all = [await some(), await some(5), await some.waitFor(continuation, 5, { priority: 1 })]
  same<string[][], typeof all>(true)
  // @ts-expect-error no number
  await some('5')

  // what is known of neither
  const loose = await offload(file)({ any: 'thing' })
  same<unknown, typeof loose>(true)

  const options: OffloadOptions = { threads: 2, pool: { resourceLimits: { maxOldGenerationSizeMb: 64 } } }
  offload(file, options)
  // @ts-expect-error that is what threads says
  offload(file, { pool: { maxThreads: 64 } })
}
