import { DisconnectError, IllegalStateError, type InvalidTypeError } from './errors.js'
import type { Host } from './host.js'
import { isLatched, isOver, isSuspended, isUndecided, lifecycle, type Phase, type Signal } from './lifecycle.js'
import { type ContinuationEvent, type ContinuationListener, checkListener } from './listeners.js'
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

/** What the boundary is to do when it goes on. */
export type Verdict = 'send' | 'throw' | 'dispatch'

/** Whoever keeps a continuation while its suspension is undecided. */
export interface Holder {
  /** The suspension was decided or the request is over: let go of it. */
  letGo(): void
}

/** What the rooms beside this one may do with a continuation and an app may not. */
export interface Driver {
  /** Its turn in the wake queue has come. */
  wake(continuation: Continuation): void
  /** The handler returned to a boundary. The answer comes at once, or when the suspension is decided. */
  returned(continuation: Continuation, outermost: boolean): Verdict | Promise<Verdict>
  /** The handler threw to a boundary. */
  threw(continuation: Continuation, error: unknown, outermost: boolean): void
  failure(continuation: Continuation): unknown
  /** The socket is done with the response, `finished` or not. */
  close(continuation: Continuation, finished: boolean): void
  dispatches(continuation: Continuation): number
  /** As `resume()`, with attributes that were copied already: one copy serves a whole broadcast. */
  resume(continuation: Continuation, attributes: Readonly<Record<string, unknown>> | undefined): boolean
  /** Ends a waiting request in favour of a newer one. */
  dismiss(continuation: Continuation): boolean
  /** A suspension is in force and undecided. */
  isWaiting(continuation: Continuation): boolean
  /** It is waiting, or its handler still runs and may come to that. */
  canBeHeld(continuation: Continuation): boolean
  /** Tells `holder` when there is nothing more to wait for. */
  hold(continuation: Continuation, holder: Holder): void
  isContinuation(value: unknown): value is Continuation
}

/** @internal */
export let driver: Driver

let timeIsUp: (continuation: Continuation) => void

let lastId = 0

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
  /** Which of those that wait for their dispatch goes first: the higher number. Default 0. Read when it is decided. */
  priority = 0

  readonly #host: Host
  #id: string | undefined
  #phase: Phase
  /** What the present dispatch came of. */
  #cause: 'resumed' | 'expired' | undefined
  /** The handler, or what stands between it and the boundary, is running. */
  #running: boolean
  #dispatches = 1
  #suspensions = 0
  #closed: 'finished' | 'left' | undefined
  #attributes: Record<string, unknown> | undefined
  #attributesShared = false
  /** As set for good by `setTimeout()`. */
  #timeout: number | undefined
  /** Of this suspension. */
  #span = 0
  #since: number | undefined
  #until: number | undefined
  #timer: unknown
  #failure: unknown
  #listeners: ContinuationListener[] | undefined
  #holders: Holder | Holder[] | undefined
  #abort: AbortController | undefined
  /** Lets the boundary go on. */
  #proceed: ((verdict: Verdict) => void) | undefined
  /** Lets a `wait()` go on. */
  #waiter: { resolve(outcome: Outcome): void; reject(error: unknown): void } | undefined

  /** @internal Made by a boundary; see `getContinuation`. */
  constructor(host: Host, running: boolean) {
    this.#host = host
    this.#running = running
    this.#phase = running ? 'dispatched' : 'completed'
  }

  /** Unique in this process. */
  get id(): string {
    this.#id ??= `c${(++lastId).toString(36)}`
    return this.#id
  }

  /** The Koa context, the same in every dispatch. */
  get context(): ContinuationContext {
    return this.#host.context
  }

  /** Who waits: what the boundary's `clientId` says of the context. */
  get clientId(): string | undefined {
    return this.#host.clientId
  }

  /** Where the request stands in its life. For eyes and logs; the predicates answer what a handler needs. */
  get phase(): Phase {
    return this.#phase
  }

  /** When the last suspension began to wait, in milliseconds since 1970. */
  get since(): number | undefined {
    return this.#since
  }

  /** When the suspension will expire, in milliseconds since 1970; `Infinity` for never; `undefined` if it does not wait. */
  get until(): number | undefined {
    return isUndecided(this.#phase) ? this.#until : undefined
  }

  /**
   * Aborted when the client leaves or the request ends. Made on first use; asked for later, it is aborted already.
   *
   * The reason is a `DisconnectError` where the client left.
   */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#closed === 'left') this.#abort.abort(new DisconnectError())
      else if (this.#phase === 'ended') this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** The handler runs for the first time. Stays `true` over a `wait()`. */
  isInitial(): boolean {
    return this.#running && this.#dispatches === 1
  }

  /** A suspension is in force: until it is decided and, if decided while the handler runs, until the handler returns. */
  isSuspended(): boolean {
    return isSuspended(this.#phase)
  }

  /** A `resume()` ended the last suspension. Never together with `isExpired()`. */
  isResumed(): boolean {
    return this.#cause === 'resumed'
  }

  /** The time ran out on the last suspension. */
  isExpired(): boolean {
    return this.#cause === 'expired'
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
   */
  suspend(timeout?: number): void {
    this.#begin('suspend', timeout)
    if (this.#closed === 'left') this.#apply('disconnect')
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
    let begun = false
    const waiting = new Promise<Outcome>((resolve, reject) => {
      this.#begin('wait', timeout)
      this.#waiter = { resolve, reject }
      begun = true
    })
    // whoever awaits it still sees the error; a handler that let go of it must not end the process
    waiting.catch(() => {})
    if (begun) this.#park()
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
   */
  resume(attributes?: Partial<ContinuationAttributes>): boolean {
    return this.#resume(copyAttributes(attributes))
  }

  #resume(attributes: Readonly<Record<string, unknown>> | undefined): boolean {
    const from = this.#phase
    if (!this.#decide('resume')) return false
    if (attributes !== undefined) this.#setAttributes(attributes)
    if (from === 'suspended' || from === 'suspending') this.#cause = 'resumed'
    if (from === 'suspended') this.#arrive()
    return true
  }

  /**
   * Sends what the context holds now, without another dispatch. While the handler still runs, at its return.
   *
   * @returns `true` when this call decided the suspension, `false` when it came too late
   * @throws {IllegalStateError} before the first `suspend()`
   */
  complete(): boolean {
    const from = this.#phase
    if (!this.#decide('complete')) return false
    if (from === 'suspended') this.#arrive()
    return true
  }

  /**
   * Ends the request with an error, which goes through Koa's own error handling as if the handler had thrown it.
   *
   * @returns `true` when this call decided the suspension, `false` when it came too late
   * @throws {IllegalStateError} before the first `suspend()`
   * @throws {TypeError} `ERR_INVALID_OPTION` without an error
   */
  fail(error: unknown): boolean {
    if (error === undefined || error === null) throw invalid('What a request fails with', 'an error', error)
    const from = this.#phase
    if (!this.#decide('fail')) return false
    this.#failure = error
    if (from === 'suspended') this.#arrive()
    return true
  }

  /**
   * Sets how long suspensions last, this one and later ones.
   *
   * Before the handler returns: the time to start with. While parked: the wait starts anew. In an `onTimeout` listener:
   * the wait goes on for as long again. Later it does nothing.
   *
   * @param ms milliseconds; `0`, less, or `Infinity`: never
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no number
   */
  setTimeout(ms: number): void {
    checkNumber('A timeout', ms)
    this.#timeout = ms
    this.#span = ms
    if (this.#apply('extend') && this.#phase === 'suspended') this.#arm()
  }

  /** What was set under `name`, by `setAttribute` or by a `resume()`; else `undefined`. */
  getAttribute<Name extends Extract<keyof ContinuationAttributes, string>>(
    name: Name,
  ): ContinuationAttributes[Name] | undefined {
    checkName(name)
    return this.#attributes?.[name] as ContinuationAttributes[Name] | undefined
  }

  /** Kept for the whole request, over every dispatch. */
  setAttribute<Name extends Extract<keyof ContinuationAttributes, string>>(
    name: Name,
    value: ContinuationAttributes[Name],
  ): void {
    checkName(name)
    this.#ownAttributes()[name] = value
  }

  removeAttribute(name: string): void {
    checkName(name)
    if (this.#attributes !== undefined && name in this.#attributes) delete this.#ownAttributes()[name]
  }

  /**
   * Hears of this request until it is over.
   *
   * Listeners are called in the order of adding, each in the request's own async context. One that is added when the
   * request is over has its `onComplete` called soon.
   *
   * @returns removes the listener
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no listener, or names an event that does not exist
   */
  addContinuationListener(listener: ContinuationListener): () => void {
    checkListener(listener)
    if (this.#phase === 'ended') {
      queueMicrotask(() => this.#call(listener, 'onComplete', undefined))
      return () => {}
    }
    if (this.#running) this.#host.capture()
    const listeners = this.#listeners ?? []
    this.#listeners = listeners
    listeners.push(listener)
    return () => {
      const place = this.#listeners?.indexOf(listener) ?? -1
      if (place >= 0) this.#listeners = this.#listeners?.toSpliced(place, 1)
    }
  }

  /**
   * Leaves the handler from any depth by a throw that the boundary catches. The same as returning from it.
   *
   * Code between the handler and the boundary that catches all errors catches this one too.
   *
   * @throws {IllegalStateError} when not suspended
   */
  undispatch(): never {
    if (!this.#running || !isSuspended(this.#phase)) {
      throw this.#illegal('undispatch()', 'call suspend() first: it leaves a handler that has suspended')
    }
    throw new Undispatch(this)
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { method, path } = this.#host.context as { method?: string; path?: string }
    const shown = new (class Continuation {})() as Record<string, unknown>
    Object.assign(shown, {
      id: this.id,
      phase: this.#phase,
      request: `${method} ${path}`,
      attributes: this.#attributes,
    })
    if (isUndecided(this.#phase)) {
      shown['since'] = this.#since && new Date(this.#since)
      shown['until'] = this.#until === Number.POSITIVE_INFINITY ? 'for ever' : this.#until && new Date(this.#until)
    }
    return shown
  }

  // What follows is for the rooms beside this one; they reach it through `driver`.

  /** Looks the signal up and takes its step. `false` where there is none. */
  #apply(signal: Signal): boolean {
    const from = this.#phase
    const to = lifecycle[from][signal]
    if (to === '-' || to === 'late') return false
    if (to === 'illegal') throw this.#illegal(`${signal}()`, illegalHint(from))
    this.#phase = to
    if (isSuspended(from) && isOver(to)) this.#cause = undefined
    if (!isUndecided(to) && to !== 'dispatched') this.#settle(isUndecided(from))
    return true
  }

  /** A decision from outside. Late ones answer `false`; before any suspension there is nothing to decide. */
  #decide(signal: 'resume' | 'complete' | 'fail'): boolean {
    if (this.#suspensions === 0 && this.#phase === 'dispatched') {
      throw this.#illegal(`${signal}()`, 'call suspend() first')
    }
    return this.#apply(signal)
  }

  #begin(signal: 'suspend' | 'wait', timeout: number | undefined): void {
    if (timeout !== undefined) checkNumber('A timeout', timeout)
    if (lifecycle[this.#phase][signal] === 'illegal') throw this.#illegal(`${signal}()`, illegalHint(this.#phase))
    this.#host.admit()
    this.#apply(signal)
    this.#host.capture()
    this.#suspensions++
    this.#cause = undefined
    this.#span = timeout ?? this.#timeout ?? this.#host.policy.timeout
  }

  /** The suspension is decided, or the request over: nothing waits for it any more. */
  #settle(wasUndecided: boolean): void {
    if (wasUndecided) {
      this.#disarm()
      this.#host.release()
    }
    const holders = this.#holders
    if (holders === undefined) return
    this.#holders = undefined
    if (Array.isArray(holders)) for (const holder of holders) holder.letGo()
    else holders.letGo()
  }

  /** The handler has returned suspended, or awaits: from now on the time counts. */
  #park(): void {
    this.#host.parked()
    if (this.#closed === undefined && this.#host.isGone()) this.#closed = 'left'
    if (this.#closed === 'left') this.#apply('disconnect')
    else if (this.#closed === 'finished') this.#apply('complete')
    else {
      this.#since = this.#host.policy.clock.now()
      this.#tell('onSuspend')
      if (this.#phase === 'suspended' && this.#timer === undefined) this.#arm()
      return
    }
    this.#arrive()
    this.#end()
  }

  #arm(): void {
    this.#disarm()
    const { clock, jitter, random } = this.#host.policy
    if (!(this.#span > 0) || this.#span === Number.POSITIVE_INFINITY) {
      this.#until = Number.POSITIVE_INFINITY
      return
    }
    const ms = jitter === 0 ? this.#span : this.#span * (1 - jitter * random())
    this.#until = clock.now() + ms
    this.#timer = clock.setTimeout(timeIsUp, ms, this)
  }

  #disarm(): void {
    if (this.#timer === undefined) return
    this.#host.policy.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #expire(): void {
    const { clock } = this.#host.policy
    this.#timer = undefined
    const left = (this.#until ?? 0) - clock.now()
    if (left >= 1) {
      this.#timer = clock.setTimeout(timeIsUp, left, this)
      return
    }
    if (!this.#apply('expire')) return
    this.#cause = 'expired'
    this.#tell('onTimeout')
    this.#apply('listened')
    if (this.#phase === 'suspended') {
      this.#cause = undefined
      this.#arm()
    } else this.#arrive()
  }

  /** A parked request is decided: tells the listeners, and sees to it that somebody goes on. */
  #arrive(): void {
    switch (this.#phase) {
      case 'woken':
        if (this.#cause === 'resumed') this.#tell('onResume')
        break
      case 'failed':
        this.#tell('onError', this.#failure)
        break
      case 'aborted':
        this.#tell('onDisconnect')
        this.#wake()
        this.#end()
        return
    }
    this.#host.policy.queue.push(this, this.priority)
  }

  /** The turn of a decided request has come. */
  #wake(): void {
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      this.#apply('dispatch')
      if (this.#phase === 'failed') waiter.reject(this.#failure)
      else waiter.resolve(this.#outcome())
      return
    }
    const proceed = this.#proceed
    if (proceed === undefined) return
    this.#proceed = undefined
    if (this.#apply('dispatch')) {
      this.#dispatches++
      this.#running = true
      proceed('dispatch')
    } else {
      if (this.#phase === 'completed') this.#host.completed()
      proceed(this.#phase === 'failed' ? 'throw' : 'send')
    }
  }

  #outcome(): Outcome {
    if (this.#phase === 'aborted') return 'disconnected'
    return this.#cause ?? 'completed'
  }

  /** The handler has left while its `wait()` was pending: whoever still listens to that must not hang. */
  #leaveWait(): void {
    this.#waiter?.resolve('completed')
    this.#waiter = undefined
  }

  /** The handler has returned to its boundary. */
  #returned(outermost: boolean): Verdict | Promise<Verdict> {
    const from = this.#phase
    if (from === 'dispatched' && !outermost) return 'send'
    this.#running = false
    this.#leaveWait()
    if (this.#closed === undefined && from === 'dispatched' && this.#host.isGone()) this.#leave()
    this.#apply('return')
    if (isLatched(from)) this.#tell('onSuspend')
    switch (this.#phase) {
      case 'suspended':
      case 'woken':
        return new Promise((resolve) => {
          this.#proceed = resolve
          if (this.#phase === 'suspended') this.#park()
          else this.#arrive()
        })
      case 'failed':
        if (from === 'failing') this.#tell('onError', this.#failure)
        break
      case 'aborted':
        if (from === 'aborting') this.#tell('onDisconnect')
        break
      case 'completed':
        if (from === 'completing') this.#host.completed()
        break
    }
    this.#end()
    return from === 'failing' ? 'throw' : 'send'
  }

  /** The handler has thrown. */
  #threw(error: unknown, outermost: boolean): void {
    const from = this.#phase
    if (from === 'dispatched' && !outermost) return
    this.#running = false
    this.#leaveWait()
    if (this.#apply('throw') && from !== 'dispatched') {
      this.#failure = error
      this.#tell('onError', error)
    }
    this.#end()
  }

  /** The socket is done with the response: all of it has been handed over, or the client has left before. */
  #close(finished: boolean): void {
    if (this.#closed !== undefined) return
    if (finished) {
      this.#closed = 'finished'
      // written past Koa while it was parked: there is nothing left to wait for
      if (this.#phase === 'suspended' && this.#apply('complete')) this.#arrive()
    } else this.#leave()
    this.#end()
  }

  #leave(): void {
    this.#closed = 'left'
    this.#abort?.abort(new DisconnectError())
    if (this.#apply('disconnect') && this.#phase === 'aborted') this.#arrive()
  }

  /** Once the outcome is settled, the handler has returned and the socket is done: the end. */
  #end(): void {
    if (this.#running || this.#closed === undefined || !isOver(this.#phase)) return
    if (this.#closed === 'left' && this.#phase !== 'aborted' && this.#phase !== 'ended') this.#tell('onDisconnect')
    if (!this.#apply('finish')) return
    this.#tell('onComplete')
    this.#listeners = undefined
    this.#abort?.abort()
  }

  #tell(event: ContinuationEvent, error?: unknown): void {
    const listeners = this.#listeners
    if (listeners === undefined) return
    // those added meanwhile have missed the event
    const count = listeners.length
    for (let place = 0; place < count; place++) this.#call(listeners[place] as ContinuationListener, event, error)
  }

  #call(listener: ContinuationListener, event: ContinuationEvent, error: unknown): void {
    if (listener[event] === undefined) return
    try {
      this.#host.enter(
        (continuation, error) => {
          const result = listener[event]?.(continuation, error) as { catch?: unknown } | undefined
          if (typeof result?.catch === 'function') result.catch((error: unknown) => this.#host.report(error))
        },
        this as Continuation,
        error,
      )
    } catch (error) {
      this.#host.report(error)
    }
  }

  #ownAttributes(): Record<string, unknown> {
    if (this.#attributes === undefined || this.#attributesShared) {
      this.#attributes = Object.assign(Object.create(null), this.#attributes) as Record<string, unknown>
      this.#attributesShared = false
    }
    return this.#attributes
  }

  #setAttributes(attributes: Readonly<Record<string, unknown>>): void {
    if (this.#attributes === undefined) {
      this.#attributes = attributes as Record<string, unknown>
      this.#attributesShared = true
    } else Object.assign(this.#ownAttributes(), attributes)
  }

  #illegal(what: string, hint: string): IllegalStateError {
    return new IllegalStateError(`Cannot ${what} a request that is ${this.#phase}: ${hint}`, this.#phase)
  }

  static {
    timeIsUp = (continuation) => continuation.#expire()
    driver = {
      wake: (continuation) => continuation.#wake(),
      returned: (continuation, outermost) => continuation.#returned(outermost),
      threw: (continuation, error, outermost) => continuation.#threw(error, outermost),
      failure: (continuation) => continuation.#failure,
      close: (continuation, finished) => continuation.#close(finished),
      dispatches: (continuation) => continuation.#dispatches,
      resume: (continuation, attributes) => continuation.#resume(attributes),
      dismiss(continuation) {
        if (!isUndecided(continuation.#phase)) return false
        continuation.#host.dismissed()
        return continuation.complete()
      },
      isWaiting: (continuation) => isUndecided(continuation.#phase),
      canBeHeld: (continuation) => isUndecided(continuation.#phase) || continuation.#phase === 'dispatched',
      hold(continuation, holder) {
        const holders = continuation.#holders
        if (holders === undefined) continuation.#holders = holder
        else if (Array.isArray(holders)) holders.push(holder)
        else continuation.#holders = [holders, holder]
      },
      isContinuation: (value): value is Continuation => typeof value === 'object' && value !== null && #phase in value,
    }
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

/** @throws {InvalidTypeError} for what is no plain object of attributes */
export function copyAttributes(
  attributes: Partial<ContinuationAttributes> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (attributes === undefined) return undefined
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw invalid('Attributes', 'an object', attributes)
  }
  return Object.assign(Object.create(null), attributes)
}

function checkName(name: unknown): void {
  if (typeof name !== 'string') throw invalid("An attribute's name", 'a string', name) satisfies InvalidTypeError
}

function illegalHint(phase: Phase): string {
  if (isOver(phase)) return 'the dispatch is over'
  if (phase === 'woken' || phase === 'suspended') return 'the handler has returned; suspend in its next dispatch'
  return 'once is enough in a dispatch'
}
