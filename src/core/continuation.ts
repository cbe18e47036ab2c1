import { copyAttributes } from './attributes.js'
import { shownTime } from './clock.js'
import { IllegalStateError } from './errors.js'
import { idOf } from './id.js'
import type { Job, JobOptions, ResultOf, ReturnWhenOptions } from './jobs.js'
import type { Life } from './life.js'
import { isSuspended, type Phase } from './lifecycle.js'
import { type ContinuationListener, checkListener } from './listeners.js'
import { checkNumber, invalid } from './options.js'

/** Filled in by the room that knows the framework, so that `continuation.context` has its type. */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be merged with
export interface ContinuationHost {}

/** The context that a continuation wraps: with Koa, a `Koa.Context`. */
export type ContinuationContext = ContinuationHost extends { context: infer Context } ? Context : object

/**
 * The attributes of a continuation by name. Merge your own into it, and `getAttribute` knows their types:
 *
 * ```ts
 * declare module 'koa-continuation' {
 *   interface ContinuationAttributes { message: string }
 * }
 * ```
 */
export interface ContinuationAttributes {
  [name: string]: unknown
}

/** How a `wait()` ended. */
export type Outcome = 'resumed' | 'expired' | 'completed' | 'disconnected'

/** @internal The inner side, for the rooms beside this one. */
export let lifeOf: (continuation: Continuation) => Life

/** @internal */
export let isContinuation: (value: unknown) => value is Continuation

/**
 * One request that can be suspended, kept, and dispatched again through the same handler.
 *
 * Like Jetty's `Continuation`, except that `suspend()` needs no exception to leave the handler, that a call which comes
 * too late answers `false` instead of throwing, and that a decision taken before the handler returns is never lost.
 *
 * @example
 * ```ts
 * router.get('/subscribe', (ctx) => {
 *   const { continuation } = ctx
 *   if (continuation.isInitial()) {
 *     continuation.suspend()
 *     clients.stash(continuation)
 *     return
 *   }
 *   ctx.body = continuation.isExpired() ? '' : continuation.getAttribute('message')
 * })
 * ```
 */
export class Continuation {
  readonly #life: Life

  /** @internal Made by a boundary; see `getContinuation`. */
  constructor(life: Life) {
    this.#life = life
  }

  /** Unique in this process. */
  get id(): string {
    return idOf(this.#life)
  }

  /** The Koa context, the same in every dispatch. */
  get context(): ContinuationContext {
    return this.#life.host.context
  }

  /** Who waits: what the boundary's `clientId` says of the context. */
  get clientId(): string | undefined {
    return this.#life.host.clientId
  }

  /**
   * Which of those that wait for their dispatch goes first: the higher number. Default 0. Read when it is decided.
   *
   * @throws {TypeError} `ERR_INVALID_OPTION` when set to what is no number
   */
  get priority(): number {
    return this.#life.priority
  }

  set priority(priority: number) {
    checkNumber('A priority', priority)
    this.#life.priority = priority
  }

  /** Where the request stands in its life. For eyes and logs; the predicates answer what a handler needs. */
  get phase(): Phase {
    return this.#life.phase
  }

  /** When the last suspension began to wait, in milliseconds since 1970. */
  get since(): number | undefined {
    return this.#life.since
  }

  /** When the suspension will expire, in milliseconds since 1970; `Infinity` for never; `undefined` if it does not wait. */
  get until(): number | undefined {
    return this.#life.until
  }

  /**
   * Aborted when the client leaves or the request ends. Made on first use; asked for later, it is aborted already.
   *
   * The reason is a `DisconnectError` where the client left.
   *
   * @example
   * ```ts
   * router.get('/report', async (ctx) => {
   *   ctx.body = await report(ctx.continuation.signal) // no longer worth its while when the client has left
   * })
   * ```
   */
  get signal(): AbortSignal {
    return this.#life.signal
  }

  /** The handler runs for the first time. Stays `true` over a `wait()`. */
  isInitial(): boolean {
    return this.#life.running && this.#life.dispatches === 1
  }

  /** A suspension is in force: until it is decided and, if decided while the handler runs, until the handler returns. */
  isSuspended(): boolean {
    return isSuspended(this.#life.phase)
  }

  /** A `resume()` ended the last suspension. Never together with `isExpired()`. */
  isResumed(): boolean {
    return this.#life.cause === 'resumed'
  }

  /** The time ran out on the last suspension. */
  isExpired(): boolean {
    return this.#life.cause === 'expired'
  }

  /**
   * Keeps the response open after the handler has returned, until somebody resumes or completes it, or the time is up.
   *
   * Suspend first, then tell others of the continuation, then return. It never throws to leave the handler.
   * The time counts from the return.
   *
   * @param timeout milliseconds; default what `setTimeout()` set last, else the boundary's `timeout`; `0`, less, or
   *   `Infinity`: never
   * @throws {IllegalStateError} a second time in one dispatch, while it is parked, after the end, or where the
   *   connection was upgraded
   * @throws {SuspensionLimitError} over a limit of the boundary; Koa answers it with 503
   * @throws {TypeError} `ERR_INVALID_OPTION` for a timeout that is no number
   * @example
   * ```ts
   * router.get('/next', (ctx) => {
   *   const { continuation } = ctx
   *   if (continuation.isInitial()) {
   *     continuation.suspend(25_000)
   *     clients.stash(continuation)
   *     return
   *   }
   *   if (continuation.isExpired()) ctx.status = 204
   *   else ctx.body = continuation.getAttribute('message')
   * })
   * ```
   */
  suspend(timeout?: number): void {
    if (timeout !== undefined) checkNumber('A timeout', timeout)
    this.#life.suspend(timeout)
  }

  /**
   * Suspends in place: resolves inside the same handler when the suspension is decided, with how.
   *
   * The same managers, limits and listeners as for `suspend()`, and no further dispatch. The time counts from the call.
   * After `'completed'` and `'disconnected'` there is nothing more to wait for. May be called again after the others.
   *
   * @param timeout as for `suspend()`
   * @returns rejects with the error of a `fail()`, and with whatever `suspend()` would throw
   * @example
   * ```ts
   * router.get('/subscribe', async (ctx) => {
   *   const waiting = ctx.continuation.wait()
   *   clients.stash(ctx.continuation)
   *   ctx.body = (await waiting) === 'resumed' ? ctx.continuation.getAttribute('message') : ''
   * })
   * ```
   */
  wait(timeout?: number): Promise<Outcome> {
    let waiting: Promise<Outcome>
    try {
      if (timeout !== undefined) checkNumber('A timeout', timeout)
      waiting = this.#life.wait(timeout)
    } catch (error) {
      waiting = Promise.reject(error)
    }
    // whoever awaits it still sees the error; a handler that let go of it must not end the process
    waiting.catch(() => {})
    return waiting
  }

  /**
   * Lets the handler be dispatched again, with `attributes` set.
   *
   * The dispatch comes soon, never inside this call; while the handler still runs, it comes after its return.
   *
   * @returns `true` when this call decided the suspension; `false` when it came too late, and then nothing was set
   * @throws {IllegalStateError} before the first `suspend()`
   * @throws {TypeError} `ERR_INVALID_OPTION` for attributes that are no object
   * @example
   * ```ts
   * router.post('/approvals/:id', (ctx) => {
   *   const isHeard = clients.get(ctx.params.id)?.resume({ approved: true })
   *   ctx.status = isHeard ? 204 : 410 // nobody waits for it any more
   * })
   * ```
   */
  resume(attributes?: Partial<ContinuationAttributes>): boolean {
    return this.#life.resume(copyAttributes(attributes))
  }

  /**
   * Sends what the context holds now, without another dispatch. While the handler still runs, at its return.
   *
   * @returns `true` when this call decided the suspension, `false` when it came too late
   * @throws {IllegalStateError} before the first `suspend()`
   * @example
   * ```ts
   * router.post('/answers/:id', (ctx) => {
   *   const asking = clients.get(ctx.params.id)
   *   if (asking !== undefined) asking.context.body = 'yes'
   *   ctx.body = { isHeard: asking?.complete() ?? false }
   * })
   * ```
   */
  complete(): boolean {
    return this.#life.complete()
  }

  /**
   * Ends the request with an error, which goes through Koa's own error handling as if the handler had thrown it.
   *
   * @returns `true` when this call decided the suspension, `false` when it came too late
   * @throws {IllegalStateError} before the first `suspend()`
   * @throws {TypeError} `ERR_INVALID_OPTION` without an error
   * @example
   * ```ts
   * router.delete('/jobs/:id', (ctx) => {
   *   const error = Object.assign(new Error('Somebody has cancelled this job'), { status: 410, expose: true })
   *   ctx.body = { isHeard: clients.get(ctx.params.id)?.fail(error) ?? false }
   * })
   * ```
   */
  fail(error: unknown): boolean {
    if (error === undefined || error === null) throw invalid('What a request fails with', 'an error', error)
    return this.#life.fail(error)
  }

  /**
   * Sets how long suspensions last, this one and later ones.
   *
   * Before the handler returns: the time to start with. While parked: the wait starts anew. In an `onTimeout` listener:
   * the wait goes on for as long again. Once the suspension is decided: the time of later ones.
   *
   * @param ms milliseconds; `0`, less, or `Infinity`: never
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no number
   * @example
   * ```ts
   * router.get('/patient', (ctx) => {
   *   const { continuation } = ctx
   *   if (continuation.isInitial()) {
   *     const onTimeout = () => jobs.size > 0 && continuation.setTimeout(5_000) // it goes on for as long as work goes on
   *     continuation.addContinuationListener({ onTimeout })
   *     continuation.suspend(5_000)
   *     return
   *   }
   *   ctx.body = 'all done'
   * })
   * ```
   */
  setTimeout(ms: number): void {
    checkNumber('A timeout', ms)
    this.#life.setTimeout(ms)
  }

  /** What was set under `name`, by `setAttribute` or by a `resume()`; else `undefined`. */
  getAttribute<Name extends Extract<keyof ContinuationAttributes, string>>(
    name: Name,
  ): ContinuationAttributes[Name] | undefined {
    return this.#life.attributes.get(name) as ContinuationAttributes[Name] | undefined
  }

  /**
   * Sets what `getAttribute` answers: for the whole request, over every dispatch.
   *
   * @example
   * ```ts
   * router.get('/twice', (ctx) => {
   *   const { continuation } = ctx
   *   const count = (continuation.getAttribute('count') as number | undefined) ?? 0
   *   if (count < 2) {
   *     continuation.setAttribute('count', count + 1)
   *     continuation.suspend()
   *     clients.stash(continuation)
   *     return
   *   }
   *   continuation.removeAttribute('count')
   *   ctx.body = 'it was resumed twice'
   * })
   * ```
   */
  setAttribute<Name extends Extract<keyof ContinuationAttributes, string>>(
    name: Name,
    value: ContinuationAttributes[Name],
  ): void {
    this.#life.attributes.set(name, value)
  }

  /** Forgets what was set under `name`; see `setAttribute`. */
  removeAttribute(name: string): void {
    this.#life.attributes.remove(name)
  }

  /**
   * Puts the request aside while `job` runs in a lane, and lets the handler be dispatched again when it is done.
   *
   * It suspends, unless the handler has in this dispatch; the job runs as soon as there is room in its lane. Several in
   * one dispatch: the handler comes again when all are done. How each went is in the attribute of its name, as
   * `Promise.allSettled` says it; `resultOf` answers with the result, or throws what the job threw.
   *
   * When the suspension ends before (its time is up, the client leaves, somebody else decides), a job in line never runs,
   * and the signal of one that runs is aborted. Where it has ended before the call, the job is not run.
   *
   * @param lane as named to `lanes()`, which stands above
   * @throws {UnknownLaneError} `ERR_UNKNOWN_LANE` where nothing above has such a lane
   * @throws {LaneError} `ERR_LANE_FULL` where too many wait in it, and nothing is suspended: Koa answers with 503;
   *   `ERR_LANE_CLOSED` after its `close()`, likewise; `ERR_DUPLICATE_JOB` for a second one of a name in one dispatch
   * @throws {IllegalStateError | SuspensionLimitError | TypeError} as `suspend()` does
   * @example
   * ```ts
   * router.get('/puppies', (ctx) => {
   *   const { continuation } = ctx
   *   if (continuation.isInitial()) {
   *     continuation.returnWhen('database', (signal) => query('SELECT * FROM puppies', signal))
   *     return
   *   }
   *   ctx.body = continuation.resultOf('database')
   * })
   * ```
   */
  returnWhen(lane: string, job: Job<unknown>, options?: ReturnWhenOptions): void {
    this.#life.host.lane(lane).returnWhen(this, job, options)
  }

  /**
   * What the job of this name came to, after a `returnWhen()`.
   *
   * @throws what the job threw
   * @throws {LaneError} `ERR_JOB_CANCELLED` where the suspension ended before the job was done; Koa answers with 503
   * @throws {IllegalStateError} where there was no such job, or it is not done
   */
  resultOf<Name extends Extract<keyof ContinuationAttributes, string>>(
    name: Name,
  ): ResultOf<ContinuationAttributes[Name]> {
    const settled = this.#life.attributes.get(name) as PromiseSettledResult<ResultOf<ContinuationAttributes[Name]>>
    if (settled?.status === 'rejected') throw settled.reason
    if (settled?.status === 'fulfilled') return settled.value
    const hint = 'ask for it by returnWhen(), and look in the dispatch after that'
    throw new IllegalStateError(`There is no job ${name} that is done: ${hint}`, this.phase)
  }

  /**
   * Suspends in place while `job` runs in a lane, and resolves inside the same handler to its result.
   *
   * Holds the request as `wait()` does. Several at the same time, by `Promise.all` say, share one suspension.
   *
   * @param lane as named to `lanes()`, which stands above
   * @returns rejects with what the job throws; with whatever `returnWhen()` would throw; and when the suspension ends
   *   before the job is done with a `LaneError` `ERR_JOB_CANCELLED`, or, where the client has left, a `DisconnectError`;
   *   after a `complete()`, a handler that lets that through has returned
   * @example
   * ```ts
   * router.get('/puppies/:id', async (ctx) => {
   *   const { id } = ctx.params
   *   ctx.body = await ctx.continuation.waitFor('database', (signal) => query('SELECT … WHERE id = $1', signal, [id]))
   * })
   * ```
   */
  waitFor<Result>(lane: string, job: Job<Result>, options?: JobOptions): Promise<Result> {
    const waiting = (async () => this.#life.host.lane(lane).waitFor(this, job, options))()
    // as in wait()
    waiting.catch(() => {})
    return waiting
  }

  /**
   * Hears of this request until it is over.
   *
   * Listeners are called in the order of adding, each in the request's own async context. One that is added when the
   * request is over has its `onComplete` called soon.
   *
   * @returns removes the listener
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no listener, or names an event that does not exist
   * @example
   * ```ts
   * router.get('/watched', (ctx) => {
   *   ctx.continuation.addContinuationListener({ onComplete: ({ id }) => console.log(`${id} is over`) })
   *   ctx.body = 'watched'
   * })
   * ```
   */
  addContinuationListener(listener: ContinuationListener): () => void {
    checkListener(listener)
    return this.#life.listen(listener)
  }

  /**
   * Leaves the handler from any depth by a throw that the boundary catches. The same as returning from it.
   *
   * Code between the handler and the boundary that catches all errors catches this one too.
   *
   * @throws {IllegalStateError} when not suspended
   * @example
   * ```ts
   * function myTurn(continuation: Continuation) {
   *   if (!continuation.isInitial()) return
   *   continuation.suspend()
   *   clients.stash(continuation)
   *   continuation.undispatch()
   * }
   *
   * router.get('/turn', (ctx) => {
   *   myTurn(ctx.continuation)
   *   ctx.body = 'your turn'
   * })
   * ```
   */
  undispatch(): never {
    const life = this.#life
    if (!life.running || !isSuspended(life.phase)) {
      throw life.illegal('undispatch()', 'call suspend() first: it leaves a handler that has suspended')
    }
    throw new Undispatch(this)
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { phase, since, until, isWaiting, attributes, host } = this.#life
    const { method, path } = host.context as { method?: string; path?: string }
    return Object.assign(new (class Continuation {})(), {
      id: this.id,
      phase,
      request: `${method} ${path}`,
      ...(attributes.all && { attributes: attributes.all }),
      ...(isWaiting && { since: shownTime(since), until: shownTime(until) }),
    })
  }

  static {
    lifeOf = (continuation) => continuation.#life
    isContinuation = (value): value is Continuation => typeof value === 'object' && value !== null && #life in value
  }
}

/** Thrown by `undispatch()`, caught by the boundary. */
export class Undispatch extends Error {
  override readonly name = 'Undispatch'
  readonly code = 'ERR_UNDISPATCH'
  readonly continuation: Continuation

  constructor(continuation: Continuation) {
    super('undispatch() leaves the handler by this error: code that catches it must throw it on')
    this.continuation = continuation
  }
}
