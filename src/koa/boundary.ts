import type * as Koa from 'koa'
import type { Continuation } from '../core/continuation.js'
import { BoundaryError, DispatchLimitError } from '../core/errors.js'
import type { Turns } from '../core/host.js'
import type { Life } from '../core/life.js'
import { shown } from '../core/options.js'
import { closeAfter } from './connection.js'
import { isReturn } from './decided.js'
import { passageOf, reenterAll } from './passage.js'
import { RequestHost } from './request-host.js'
import type { Settings } from './settings.js'
import { Snapshot } from './snapshot.js'

const HOST: unique symbol = Symbol('koa-continuation')

interface Held {
  [HOST]?: RequestHost
}

interface Downstream {
  /** The number of the last suspension that was begun there, if one was. */
  readonly suspension: number | undefined
}

/**
 * Dispatches, and where that suspends, again and again, until the request is answered.
 *
 * The promise stays pending while the request is parked, so what stands above sees one request with its true end.
 * Within another boundary the inner one wins: where what is below it suspends, it holds the request and dispatches that
 * again. A suspension that was in force before is for the outer one.
 *
 * @param dispatch is told whether it is not the first time
 * @param downstream what `dispatch` calls that is not its own: where that has suspended, the next boundary further out
 *   holds the request
 */
export async function runBoundary(
  ctx: Koa.Context,
  settings: Settings,
  dispatch: (again: boolean) => unknown,
  downstream?: Downstream,
): Promise<void> {
  const around = hostAround(ctx)
  const outermost = around === undefined
  const host = around ?? open(ctx, settings)
  const snapshot = new Snapshot(ctx)
  try {
    for (let again = false; ; again = true) {
      const before = host.made?.suspensions ?? 0
      try {
        let here = true
        if (again) {
          checkDispatches(host)
          const passage = passageOf(ctx)
          const entering = reenterAll(passage)
          if (entering !== undefined) await entering
          // nobody is let in again whose client has left
          here = passage === undefined || !host.isGone()
        }
        if (here) await dispatch(again)
      } catch (error) {
        const { made } = host
        if (!isReturn(error, made?.continuation)) {
          if (made !== undefined && (outermost || isOwn(made, before, downstream))) made.threw(error, outermost)
          throw error
        }
      }
      const { made } = host
      if (made === undefined) return
      if (!isOwn(made, before, downstream)) {
        if (!outermost) return
        if (downstream !== undefined && made.continuation.isSuspended()) {
          const error = new BoundaryError(uncovered)
          made.threw(error, outermost)
          throw error
        }
      }
      const pending = made.returned(outermost)
      const verdict = typeof pending === 'string' ? pending : await pending
      if (verdict === 'send') return
      if (verdict === 'throw') throw made.failure
      const turn = host.policy.queue.spent?.()
      if (turn !== undefined) await turn
      snapshot.restore(ctx)
    }
  } finally {
    if (outermost) {
      host.open = false
      // it was in its handler when the drain began
      if (settings.holds.isClosed) closeAfter(ctx.res)
      if (host.made !== undefined) host.policy.here.delete(host.made)
    }
  }
}

/** One that has returned already, beside a boundary and not around it, holds nothing any more. */
function hostAround(ctx: Koa.Context): RequestHost | undefined {
  const host = (ctx as Held)[HOST]
  return host?.open ? host : undefined
}

/**
 * The newest suspension was begun in this dispatch, and not downstream. Any other is one of what stands around this
 * boundary, in force or decided meanwhile: the next one further out deals with it.
 */
function isOwn({ suspensions }: Life, before: number, downstream: Downstream | undefined): boolean {
  return suspensions !== before && suspensions !== downstream?.suspension
}

function checkDispatches({ made, policy }: RequestHost): void {
  if (made !== undefined && made.dispatches > policy.maxDispatches) throw new DispatchLimitError(policy.maxDispatches)
}

function open(ctx: Koa.Context, settings: Settings): RequestHost {
  if (!Reflect.has(ctx, 'continuation')) Object.defineProperty(ctx.app.context, 'continuation', accessor)
  const host = new RequestHost(ctx, settings)
  ;(ctx as Held)[HOST] = host
  return host
}

const accessor: PropertyDescriptor = {
  configurable: true,
  enumerable: false,
  get(this: Koa.Context) {
    return getContinuation(this)
  },
}

/**
 * The continuation of a Koa context, the same in every dispatch; what `ctx.continuation` answers.
 *
 * @throws {BoundaryError} where neither `continuations()` nor `suspendable()` stands above
 * @example
 * ```ts
 * router.get('/who', (ctx) => {
 *   ctx.body = getContinuation(ctx).id
 * })
 * ```
 */
export function getContinuation(ctx: Koa.ExtendableContext): Continuation {
  const host = (ctx as Held | undefined | null)?.[HOST]
  if (host !== undefined) return host.continuation
  throw new BoundaryError(
    `There is no continuation for ${describe(ctx)}: put app.use(continuations()) above the handler, ` +
      'or wrap the handler in suspendable(handler)',
  )
}

const uncovered =
  'A handler downstream of suspendable() has suspended, and suspendable() runs again only what it was given: ' +
  'put the handler into the suspendable(...), or app.use(continuations()) above both'

/** A boundary stands above: what is below may be dispatched more than once. */
export function hasBoundary(ctx: Koa.Context): boolean {
  return hostAround(ctx) !== undefined
}

/** Where those of a continuation's boundary wait for their dispatch. */
export function turnsOf({ context }: Continuation): Turns {
  return (context as Held)[HOST]?.policy.queue as Turns
}

/** The outermost boundary around this is the one with these settings. */
export function isWithin(ctx: Koa.Context, settings: Settings): boolean {
  return hostAround(ctx)?.policy === settings
}

/** How often the request was suspended until now. */
export function suspensionsOf(ctx: Koa.Context): number {
  return (ctx as Held)[HOST]?.made?.suspensions ?? 0
}

/** A suspension is in force that nobody has dealt with yet. */
export function isSuspended(ctx: Koa.Context): boolean {
  return (ctx as Held)[HOST]?.made?.continuation.isSuspended() ?? false
}

function describe(ctx: unknown): string {
  const { method, path } = (ctx ?? {}) as { method?: unknown; path?: unknown }
  return typeof method === 'string' && typeof path === 'string' ? `${method} ${path}` : shown(ctx)
}
