import type * as Koa from 'koa'
import { Aside, drainAside } from '../koa/aside.js'
import { hasBoundary } from '../koa/boundary.js'
import type { Drained, DrainOptions } from '../koa/checks.js'
import { closeAfter, hasLeft } from '../koa/connection.js'
import { giveFields } from './error-fields.js'
import { RateLimitError } from './rate-limit-error.js'
import { RateLimitFields } from './rate-limit-fields.js'
import { type ThrottleOptions, throttleSettings } from './throttle-options.js'

/** Middleware that limits how often each client is served, and how it stands. */
export interface Throttle extends Koa.Middleware {
  /** How many requests are put off. */
  readonly delayed: number
  /** Of how many clients is known what they have used. */
  readonly clients: number
  /**
   * The server goes away: nobody new is put off; who would be is refused with a `DrainError`, 503, and who is above the limit
   * anyway with 429, at once. Those who are put off are served when their time has come; who waits shortly before the timeout is
   * refused with 503, too.
   *
   * @returns resolves when those that were put off have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * const limit = throttle({ rate: 10, delay: 30_000 })
   * const boundary = continuations()
   * app.use(limit)
   * app.use(boundary)
   * app.use(router.routes())
   *
   * gracefulShutdown(app.listen(3000), { drain: [limit, boundary] })
   * ```
   */
  drain(options?: DrainOptions): Promise<Drained>
}

/**
 * Serves each client `rate` requests a second, and `burst` at once after a pause. What is above that is suspended until
 * the rate allows it, `delay` milliseconds at most; what would have to wait longer is refused, with 429, and that after
 * the `penalty`.
 *
 * Like Jetty's DoSFilter, except that a request is put off for just as long as it has to be. Who waits has its body
 * unread and whole. A request counts once, however often it is dispatched, and however often it comes by.
 *
 * A response says how the client stands, in `RateLimit` and `RateLimit-Policy`; an error that comes from below takes them
 * along in its `headers`. A refusal says in `Retry-After` when to come again. It is a `RateLimitError`, code
 * `ERR_RATE_LIMIT`.
 *
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options that are not known, of the wrong type or out of range
 * @example
 * ```ts
 * app.use(throttle({ rate: 10, burst: 50 }))
 * ```
 */
export function throttle(options: ThrottleOptions = {}): Throttle {
  const { rate, delay, penalty, maxDelayed, buckets, clientOf, settings, ...named } = throttleSettings(options)
  const { clock } = settings
  const fields = named.policy === undefined ? undefined : new RateLimitFields(named.policy, rate, named.burst)
  /** Those that may be dispatched again. */
  const counted = new WeakSet<Koa.Context>()
  /** Those that are below. */
  const inside = new WeakSet<Koa.Context>()
  let delayed = 0

  const middleware: Koa.Middleware = function throttle(ctx, next) {
    if (settings.holds.isClosed) closeAfter(ctx.res)
    if (inside.has(ctx)) return next()
    const client = clientOf(ctx)
    if (client === undefined) return next()
    const patience = delayed < maxDelayed ? delay : 0
    const wait = counted.has(ctx) ? 0 : buckets.take(client, clock.now(), patience)
    if (wait > patience) return refuse(ctx, client)
    if (hasBoundary(ctx)) counted.add(ctx)
    return wait === 0 ? serve(ctx, next, client) : goOn(ctx, next, client, wait)
  }

  async function goOn(ctx: Koa.Context, next: Koa.Next, client: string, wait: number): Promise<unknown> {
    return (await putOff(ctx, wait)) ? serve(ctx, next, client) : undefined
  }

  async function serve(ctx: Koa.Context, next: Koa.Next, client: string): Promise<unknown> {
    const set = fields?.of(ctx, buckets.state(client, clock.now()))
    if (set !== undefined) ctx.set(set)
    inside.add(ctx)
    try {
      return await next()
    } catch (error) {
      if (set !== undefined) giveFields(error, set, ctx)
      throw error
    } finally {
      inside.delete(ctx)
    }
  }

  async function refuse(ctx: Koa.Context, client: string): Promise<void> {
    const isHeldBack = penalty > 0 && delayed < maxDelayed && !settings.holds.isClosed
    if (isHeldBack && !(await putOff(ctx, penalty))) return
    const state = buckets.state(client, clock.now())
    throw new RateLimitError(rate, state.tokens > 0 ? 0 : state.next, fields?.of(ctx, state))
  }

  /** `false` where nobody waits for an answer any more. */
  async function putOff(ctx: Koa.Context, ms: number): Promise<boolean> {
    const aside = new Aside(ctx, settings)
    delayed++
    try {
      return (await aside.wait(ms, () => {})) === 'expired' && !hasLeft(ctx)
    } finally {
      delayed--
      aside.over()
    }
  }

  return Object.defineProperties(middleware, {
    delayed: { enumerable: true, get: () => delayed },
    clients: { enumerable: true, get: () => buckets.size },
    drain: { value: (options?: DrainOptions) => drainAside(settings, options) },
    [Symbol.for('nodejs.util.inspect.custom')]: {
      value: () =>
        Object.assign(new (class Throttle {})(), { rate, burst: named.burst, delayed, clients: buckets.size }),
    },
  }) as Throttle
}

export { RateLimitError } from './rate-limit-error.js'
export type { ThrottleOptions } from './throttle-options.js'
