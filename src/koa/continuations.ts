import type * as Koa from 'koa'
import { checkDrainOptions, type Drained, type DrainOptions, drain } from '../core/drain.js'
import { BoundaryError } from '../core/errors.js'
import { isWithin, runBoundary } from './boundary.js'
import { composeFor } from './compose.js'
import { closeAfter } from './connection.js'
import { type ContinuationsOptions, settingsOf } from './settings.js'

/**
 * Lets every handler below it in the app suspend: what stands below runs again when a request is resumed.
 *
 * It finds its own place in `app.middleware`, and composes what is below with the app's own `compose`. Used once more below
 * itself, in an app that is mounted say, it is still one boundary. Put what must see a request once, with its final response
 * and true duration, above it: loggers, error handlers, compression.
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
export function continuations(options?: ContinuationsOptions): Boundary {
  const settings = settingsOf(options)
  const rests = new WeakMap<Koa.Context['app'], Rest>()

  const continuations: Koa.Middleware = (ctx, next) => {
    const { app } = ctx
    // before the handler: it may write the head itself
    if (settings.holds.isClosed) closeAfter(ctx.res)
    const place = app.middleware.indexOf(continuations)
    if (place < 0) throw new BoundaryError(misplaced)
    // used once more below itself, in a mounted app say: its place is where it was met first, and that is the boundary
    if (isWithin(ctx, settings)) return next()
    return runBoundary(ctx, settings, (again) => {
      if (!again) return next()
      let rest = rests.get(app)
      if (rest === undefined || rest.count !== app.middleware.length) {
        rest = { count: app.middleware.length, run: composeFor(app)(app.middleware.slice(place + 1)) }
        rests.set(app, rest)
      }
      return rest.run(ctx)
    })
  }
  return Object.defineProperties(continuations as Boundary, {
    size: { get: () => settings.holds.size },
    drain: {
      value: async (options: DrainOptions = {}): Promise<Drained> => {
        checkDrainOptions('drain()', options)
        settings.holds.close()
        const here = Array.from(settings.here, ({ continuation }) => continuation)
        const drained = await drain(here, options)
        // also where nobody was held
        await settings.backpressure.letAllIn()
        return drained
      },
    },
  })
}

/** The middleware that `continuations()` gives, and what it holds. */
export interface Boundary extends Koa.Middleware {
  /** How many requests it holds. */
  readonly size: number
  /**
   * Sends home all that it holds, and holds nobody any more: who would be held from now on is answered 503. Connections
   * close with their next answer.
   *
   * Those that are held expire, at random moments of a time that depends on how many they are, so the handlers answer
   * as they do for a timeout. One that waits for a job in a lane is left to that for as long as it can be. Once is enough;
   * a second call has its own time.
   *
   * @returns resolves when all have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * const boundary = continuations()
   * app.use(boundary)
   * app.use(router.routes())
   * const server = app.listen(3000)
   *
   * process.once('SIGTERM', async () => {
   *   await boundary.drain({ timeout: 5_000 })
   *   server.close()
   * })
   * ```
   */
  drain(options?: DrainOptions): Promise<Drained>
}

interface Rest {
  readonly count: number
  run(ctx: Koa.Context): unknown
}

const misplaced =
  'continuations() cannot find its place in app.middleware, so it does not know what to dispatch again: ' +
  'call app.use(continuations()) on the app itself, or app.middleware.push(continuations()) where a tracing agent wraps ' +
  'what is given to app.use(); in a router, a mounted app or another composition wrap the handlers in ' +
  'suspendable(...handlers) instead'
