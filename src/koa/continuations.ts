import type Koa from 'koa'
import { BoundaryError } from '../core/errors.js'
import { runBoundary } from './boundary.js'
import { composeFor } from './compose.js'
import { type ContinuationsOptions, settingsOf } from './settings.js'

/**
 * Lets every handler below it in the app suspend: what stands below runs again when a request is resumed.
 *
 * It finds its own place in `app.middleware`, and composes what is below with the app's own `compose`. Put what must
 * see a request once, with its final response and true duration, above it: loggers, error handlers, compression.
 *
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options that are not known, of the wrong type or out of range
 * @example
 * ```ts
 * const app = new Koa()
 * app.use(logger())
 * app.use(continuations({ timeout: 25_000 }))
 * app.use(bodyParser())
 * app.use(router.routes())
 * ```
 */
export function continuations(options?: ContinuationsOptions): Koa.Middleware {
  const settings = settingsOf(options)
  const rests = new WeakMap<Koa, Rest>()

  return function continuations(ctx, next) {
    const { app } = ctx
    const place = app.middleware.indexOf(continuations)
    if (place < 0) throw new BoundaryError(misplaced)
    return runBoundary(ctx, settings, next, () => {
      let rest = rests.get(app)
      if (rest === undefined || rest.count !== app.middleware.length) {
        rest = { count: app.middleware.length, run: composeFor(app)(app.middleware.slice(place + 1)) }
        rests.set(app, rest)
      }
      return rest.run(ctx)
    })
  }
}

interface Rest {
  readonly count: number
  run(ctx: Koa.Context): unknown
}

const misplaced =
  'continuations() cannot find its place in app.middleware, so it does not know what to dispatch again: ' +
  'call app.use(continuations()) on the app itself; in a router, a mounted app or another composition, and where a ' +
  'tracing agent wraps what is given to app.use(), wrap the handlers in suspendable(...handlers) instead'
