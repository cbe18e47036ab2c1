import type * as Koa from 'koa'
import { Aside, drainAside } from '../koa/aside.js'
import { comesWithHead, dumpUnread, isBodyToCome, onceBodyIsHere } from '../koa/body.js'
import { isSuspended } from '../koa/boundary.js'
import { type Drained, type DrainOptions, SuspensionLimitError, shownTime } from '../koa/checks.js'
import { closeAfter, hasLeft } from '../koa/connection.js'
import { parkIn, passageOf, reenterAll, setPassage } from '../koa/passage.js'
import { BodyTimeoutError } from './body-timeout-error.js'
import { OverloadError } from './overload-error.js'
import type { Permits } from './permits.js'
import { type QosOptions, qosSettings } from './qos-options.js'
import { QueuedRequest } from './queued-request.js'
import { Run, type RunSettings } from './run.js'

/** Middleware that lets so many run at once, and how it stands. */
export interface Qos extends Koa.Middleware {
  /** How many run below it. */
  readonly running: number
  /** How many wait for their turn. */
  readonly suspended: number
  /** How many wait for their own body. */
  readonly arriving: number
  /** How many may run at once, now. */
  readonly limit: number
  /**
   * The server goes away: nobody new is put in line, and who finds no free place is refused with a `DrainError`, 503. Those in line go on
   * as places become free; who is there shortly before the timeout is refused like that, too. One that was parked below, and is in line to
   * go on, is the boundary's: the drain of that refuses it.
   *
   * @returns resolves when those that were in line have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * const limit = qos({ maxRequests: 10 })
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
 * Lets at most `maxRequests` run below it at once. The others are suspended, and go on by priority and in order of
 * arrival as places become free.
 *
 * Like Jetty's QoSFilter. A request that is parked below gives its place up, and stands before all that have not begun
 * when it is to go on. Who waits has its body unread and whole. Where a client leaves, its place in the line is free.
 * The same middleware may stand at several routes: they share its places.
 *
 * A request is refused with 503 and a `Retry-After`: by a `SuspensionLimitError` where `maxSuspended` wait already, by
 * an `OverloadError` when its time is up.
 *
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options that are not known, of the wrong type or out of range
 * @example
 * ```ts
 * app.use(qos({ maxRequests: 10, priority: (ctx) => (ctx.get('authorization') ? 1 : 0) }))
 * ```
 */
export function qos(options: QosOptions = {}): Qos {
  const { permits, maxSuspended, timeout, awaitBody, priority, settings, arriving } = qosSettings(options)
  const expired = (): OverloadError => new OverloadError(timeout, settings.random)
  const runs: RunSettings = { permits, settings, timeout, expired }
  /** Those that a boundary further out has parked, and that come here again. */
  const begun = new WeakSet<Koa.Context>()

  async function enter(run: Run, next: Koa.Next): Promise<unknown> {
    const { ctx } = run
    let well = false
    try {
      setPassage(ctx, run)
      const result = await next()
      well = true
      return result
    } finally {
      setPassage(ctx, run.outer)
      if (isSuspended(ctx)) begun.add(ctx)
      run.leave(well)
    }
  }

  async function goOn(run: Run, next: Koa.Next): Promise<unknown> {
    const entering = run.reenter()
    if (entering !== undefined) {
      try {
        // further out others run meanwhile: two limits that are kept for each other would be kept for good
        parkIn(run.outer)
        // where a drain finds it
        setPassage(run.ctx, run)
        await entering
        await reenterAll(run.outer)
      } catch (error) {
        run.leave(false)
        throw error
      } finally {
        setPassage(run.ctx, run.outer)
      }
    }
    return enterIfHere(run, next)
  }

  /** Nobody is served whose client has left before its turn. */
  function enterIfHere(run: Run, next: Koa.Next): unknown {
    if (!hasLeft(run.ctx)) return enter(run, next)
    run.leave(false)
    return undefined
  }

  async function queue(ctx: Koa.Context, next: Koa.Next): Promise<unknown> {
    const own = priority(ctx)
    if (settings.holds.size >= maxSuspended && !settings.holds.isClosed) makeRoom(own)
    const turn = await new QueuedRequest(ctx, own, permits, settings).turn(timeout)
    if (turn === 'expired') throw expired()
    return turn === 'come' ? enterIfHere(new Run(runs, ctx, 'running'), next) : undefined
  }

  /** Of those that wait and the one that comes, the least urgent is refused; of the same priority, the one that comes. */
  function makeRoom(priority: number): void {
    const { last } = permits.line
    const refusal = new SuspensionLimitError('total', maxSuspended, settings.random)
    if (last === undefined || last.priority >= priority) throw refusal
    last.refuse(refusal)
  }

  async function arrive(ctx: Koa.Context, next: Koa.Next): Promise<unknown> {
    dumpUnread(ctx, arriving.clock)
    if (await comesWithHead(ctx.req, arriving.clock)) return begin(ctx, next)
    const aside = new Aside(ctx, arriving)
    let stop = (): void => {}
    try {
      const waiting = aside.wait(timeout, () => stop())
      if (aside.isWaiting) stop = onceBodyIsHere(ctx.req, () => aside.goOn())
      const outcome = await waiting
      if (outcome === 'expired') throw new BodyTimeoutError(timeout, ctx.req.httpVersionMajor)
      if (outcome !== 'resumed' || hasLeft(ctx)) return undefined
    } finally {
      aside.over()
    }
    return begin(ctx, next)
  }

  function begin(ctx: Koa.Context, next: Koa.Next): unknown {
    return permits.take() ? enter(new Run(runs, ctx, 'running'), next) : queue(ctx, next)
  }

  const middleware: Koa.Middleware = function qos(ctx, next) {
    if (settings.holds.isClosed) closeAfter(ctx.res)
    for (let each = passageOf(ctx); each !== undefined; each = each.outer) {
      if (each instanceof Run && each.isUnder(permits)) return next()
    }
    if (begun.has(ctx)) return goOn(new Run(runs, ctx, 'parked'), next)
    if (awaitBody && isBodyToCome(ctx.req)) return arrive(ctx, next)
    return begin(ctx, next)
  }
  return Object.defineProperties(middleware, {
    running: { enumerable: true, get: () => permits.running },
    suspended: { enumerable: true, get: () => permits.line.size },
    arriving: { enumerable: true, get: () => arriving.holds.size },
    limit: { enumerable: true, get: () => permits.limit.value },
    drain: { value: (options?: DrainOptions) => drainAside(settings, options, arriving.here) },
    [Symbol.for('nodejs.util.inspect.custom')]: { value: () => shown(permits, arriving.holds.size) },
  }) as Qos
}

function shown({ running, limit, line }: Permits, arriving: number): object {
  const waiting = Array.from(line, ({ ctx, priority, since, until }) => {
    const request = `${ctx.method} ${ctx.path}`
    return since === undefined
      ? { request, begun: true }
      : { request, priority, since: shownTime(since), until: shownTime(until) }
  })
  return Object.assign(new (class Qos {})(), { running, limit: limit.value, suspended: line.size, arriving, waiting })
}

export { SuspensionLimitError } from '../koa/checks.js'
export { BodyTimeoutError } from './body-timeout-error.js'
export { OverloadError } from './overload-error.js'
export type { AdaptiveLimit, QosOptions } from './qos-options.js'
