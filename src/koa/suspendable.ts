import type * as Koa from 'koa'
import { IllegalStateError } from '../core/errors.js'
import { checkFunction, invalid } from '../core/options.js'
import { runBoundary, suspensionsOf } from './boundary.js'
import { composeFor } from './compose.js'
import { type Settings, settingsOf } from './settings.js'

/** Of all that stand under no `continuations()`: the limits and the budget are for the process. */
let defaults: Settings | undefined

/**
 * Lets these middleware suspend, and runs just these again when the request is resumed.
 *
 * Around a route's handler, inside a router, a mounted app or any composition. Under a `continuations()` that one's
 * options hold, else the defaults. What is downstream of it runs once: a `next()` in a second dispatch, after a
 * suspended one has called it already, is an `IllegalStateError`.
 *
 * @throws {TypeError} `ERR_INVALID_OPTION` without middleware, or for what is no function
 * @example
 * ```ts
 * router.get('/subscribe', suspendable(authenticate, subscribe))
 * ```
 */
export function suspendable<State = Koa.DefaultState, Context = Koa.DefaultContext, Body = unknown>(
  ...middleware: Koa.Middleware<State, Context, Body>[]
): Koa.Middleware<State, Context, Body> {
  if (middleware.length === 0) throw invalid('What suspendable() runs', 'at least one middleware', undefined)
  for (const one of middleware) checkFunction('What suspendable() runs', one)
  let run: ReturnType<ReturnType<typeof composeFor>> | undefined
  const inner = middleware as unknown as Koa.Middleware[]

  return function suspendable(context, next) {
    const ctx = context as unknown as Koa.Context
    run ??= composeFor(ctx.app)(inner)
    defaults ??= settingsOf()
    const composed = run
    const downstream = new Downstream(ctx, next)
    return runBoundary(ctx, defaults, () => composed(ctx, downstream.run), downstream)
  }
}

/** What stands below a `suspendable()` without being inside it: it runs once, and may not suspend on its account. */
class Downstream {
  /** The last that was begun there: that is for a boundary further out to deal with. */
  suspension: number | undefined
  #ran = false
  readonly #ctx: Koa.Context
  readonly #next: Koa.Next

  constructor(ctx: Koa.Context, next: Koa.Next) {
    this.#ctx = ctx
    this.#next = next
  }

  readonly run = async (): Promise<void> => {
    if (this.#ran) throw new IllegalStateError(ranAlready)
    this.#ran = true
    const before = suspensionsOf(this.#ctx)
    try {
      await this.#next()
    } finally {
      // it may have left by undispatch()
      const now = suspensionsOf(this.#ctx)
      if (now !== before) this.suspension = now
    }
  }
}

const ranAlready =
  'What is downstream of suspendable() has run already, in an earlier dispatch: call next() only in the last dispatch, ' +
  'or put what is downstream into the suspendable(...) too'
