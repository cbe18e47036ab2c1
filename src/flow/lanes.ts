import type * as Koa from 'koa'
import { checkFunction, checkOptions, invalid } from '../koa/checks.js'
import type { Continuation } from '../koa/decided.js'
import { type Job, type JobLane, type JobOptions, passLanes, type ReturnWhenOptions } from '../koa/lanes.js'
import { Lane, type LaneOptions, type LaneStats, type RunOptions, type World } from './lane.js'
import { returnWhen } from './return-when.js'
import { mayBeLetGo, waitFor } from './wait-for.js'

export { LaneError } from './lane-error.js'
export type { Job, JobOptions, LaneOptions, LaneStats, ReturnWhenOptions, RunOptions, World as LanesOptions }

/** Lanes by name, and the middleware that gives them to the continuations below it. */
export interface Lanes<Name extends string = string> extends Koa.Middleware {
  /**
   * Runs a job in a lane, for no request in particular. Resolves or rejects as the job does.
   *
   * @returns rejects with a `LaneError` `ERR_LANE_FULL`, `ERR_LANE_CLOSED` or `ERR_LANE_TIMEOUT`, and with the reason of
   *   the signal as soon as that is aborted
   * @example
   * ```ts
   * const work = lanes({ mail: { concurrency: 2 } })
   *
   * await work.run('mail', (signal) => send('hello', signal), { priority: -1 })
   * ```
   */
  run<Result>(lane: Name, job: Job<Result>, options?: RunOptions): Promise<Result>
  /** As `continuation.returnWhen()`; the compiler knows the names. */
  returnWhen(continuation: Continuation, lane: Name, job: Job<unknown>, options?: ReturnWhenOptions): void
  /** As `continuation.waitFor()`; the compiler knows the names. */
  waitFor<Result>(continuation: Continuation, lane: Name, job: Job<Result>, options?: JobOptions): Promise<Result>
  /** How many jobs run, wait, and were abandoned in each lane at this moment. */
  stats(): Record<Name, LaneStats>
  /** Takes no more jobs (503); resolves when all that are in have settled or were abandoned. */
  close(): Promise<void>
}

/**
 * Lanes in which jobs run, so many at once, on behalf of requests that are put aside meanwhile.
 *
 * As a middleware it gives its lanes to the continuations below it, above or below `continuations()`: see
 * `continuation.returnWhen()` and `continuation.waitFor()`. Of two lanes of one name the nearest to the handler is meant.
 *
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
 * @example
 * ```ts
 * app.use(continuations())
 * app.use(lanes({ database: { concurrency: 4, maxWaiting: 1_000 }, search: { concurrency: 2 } }))
 * ```
 */
export function lanes<Name extends string>(
  definitions: Readonly<Record<Name, LaneOptions>>,
  options: World = {},
): Lanes<Name> {
  checkOptions('lanes()', options, ['clock', 'random'])
  if (options.random !== undefined) checkFunction('random', options.random)
  if (typeof definitions !== 'object' || definitions === null || Object.keys(definitions).length === 0) {
    throw invalid('What lanes() is given', 'an object with lanes by name', definitions)
  }
  const all = new Map<string, Lane>()
  for (const [name, lane] of Object.entries<LaneOptions>(definitions)) all.set(name, new Lane(name, lane, options))
  const given = new Map(Array.from(all, ([name, lane]) => [name, forRequests(lane)]))

  const named = (name: string): Lane => {
    const lane = all.get(name)
    if (lane === undefined) throw invalid('The lane', `one of ${[...all.keys()].join(', ')}`, name)
    return lane
  }
  const middleware: Koa.Middleware = function lanes(ctx, next) {
    passLanes(ctx as Koa.Context, given)
    return next()
  }
  const methods: Omit<Lanes<Name>, never> = {
    run: async (name, job, options) => named(name).run(job, options),
    returnWhen: (continuation, name, job, options) => returnWhen(continuation, named(name), job, options),
    waitFor: (continuation, name, job, options) =>
      mayBeLetGo((async () => waitFor(continuation, named(name), job, options))()),
    stats: () => Object.fromEntries(Array.from(all, ([name, { stats }]) => [name, stats])) as Record<Name, LaneStats>,
    close: async () => {
      await Promise.all(Array.from(all.values(), (lane) => lane.close()))
    },
  }
  return Object.assign(middleware, methods, {
    [Symbol.for('nodejs.util.inspect.custom')]: () => `Lanes { ${Array.from(all.values(), String).join('; ')} }`,
  })
}

function forRequests(lane: Lane): JobLane {
  return {
    returnWhen: (continuation, job, options) => returnWhen(continuation, lane, job, options),
    waitFor: (continuation, job, options) => waitFor(continuation, lane, job, options),
  }
}
