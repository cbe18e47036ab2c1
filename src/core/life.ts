import { Attributes, type AttributesCopy } from './attributes.js'
import { Chained } from './chain.js'
import { Continuation, type Outcome } from './continuation.js'
import { Deadline } from './deadline.js'
import { DisconnectError, IllegalStateError } from './errors.js'
import { type Holder, type Holders, letGo, withHolder } from './holders.js'
import type { Host } from './host.js'
import { nextNumber } from './id.js'
import type { Phase, Signal } from './lifecycle.js'
import { hintAt, isLatched, isOver, isSuspended, isUndecided, isWaiting, lifecycle } from './lifecycle.js'
import { type ContinuationEvent, type ContinuationListener, type Listeners, tell, without } from './listeners.js'

/** What the boundary is to do when it goes on: send what the context holds, throw the failure, or dispatch again. */
export type Verdict = 'send' | 'throw' | 'dispatch'

/**
 * The inner side of a continuation: takes the steps of the table and sees to what follows from them.
 *
 * The handler and the world come in by `Continuation`; the boundary, the wake queue, the socket and the managers come in
 * here.
 */
export class Life extends Chained<Life> {
  readonly continuation: Continuation
  readonly host: Host
  readonly number = nextNumber()
  phase: Phase
  /** Which of those that wait for their dispatch goes first. */
  priority = 0
  /** What the present dispatch came of. */
  cause: 'resumed' | 'expired' | undefined
  /** The handler, or what stands between it and the boundary, is running. */
  running: boolean
  /** How often the handler was dispatched, the first time included. */
  dispatches = 1
  /** How often it was suspended; with that, which suspension is the newest. */
  suspensions = 0
  /** Somebody works on what is to decide the suspension, the one in force or that which begins: a drain leaves it to that. */
  isAtWork = false
  /** What it failed with. */
  failure: unknown
  /** When the last suspension began to wait. */
  since: number | undefined
  /** Who keeps it. */
  holders: Holders
  #closed: 'finished' | 'left' | undefined
  /** Milliseconds, as set for good by `setTimeout()`. */
  #timeout: number | undefined
  /** Milliseconds, of this suspension. */
  #span = 0
  #deadline: Deadline | undefined
  /** As a `resume()` gave them, shared with others; or its own, once somebody asked for them. */
  #attributes: AttributesCopy | Attributes | undefined
  #listeners: Listeners | undefined
  #abort: AbortController | undefined
  /** Lets the boundary go on. */
  #proceed: ((verdict: Verdict) => void) | undefined
  /** Lets a `wait()` go on. */
  #waiter: { resolve(outcome: Outcome): void; reject(error: unknown): void } | undefined

  /** @param running whether a dispatch is under way, in which it may suspend */
  constructor(host: Host, running: boolean) {
    super()
    this.host = host
    this.running = running
    this.phase = running ? 'dispatched' : 'completed'
    this.continuation = new Continuation(this)
  }

  /** A suspension is in force and undecided. */
  get isWaiting(): boolean {
    return isUndecided(this.phase)
  }

  /** It waits, or its handler still runs and may come to that. */
  get canBeHeld(): boolean {
    return isUndecided(this.phase) || this.phase === 'dispatched'
  }

  get attributes(): Attributes {
    if (!(this.#attributes instanceof Attributes)) this.#attributes = new Attributes(this.#attributes)
    return this.#attributes
  }

  get until(): number | undefined {
    // until the handler returns, what is set is the end of an earlier suspension
    return isUndecided(this.phase) && this.phase !== 'suspending' ? this.#deadline?.until : undefined
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    // also one that was made before: whoever is let go of because the client has left may ask before it is told
    if (this.#closed === 'left' && !this.#abort.signal.aborted) this.#abort.abort(new DisconnectError())
    else if (this.phase === 'ended') this.#abort.abort()
    return this.#abort.signal
  }

  illegal(call: string, hint: string): IllegalStateError {
    return new IllegalStateError(`Cannot ${call} a request that is ${this.phase}: ${hint}`, this.phase)
  }

  /** Tells `holder` when there is nothing more to wait for. */
  hold(holder: Holder): void {
    this.holders = withHolder(this.holders, holder)
  }

  listen(listener: ContinuationListener): () => void {
    if (this.phase === 'ended') {
      queueMicrotask(() => tell(this.host, [listener], 'onComplete', this.continuation, undefined))
      return () => {}
    }
    if (this.running && this.#listeners === undefined && this.suspensions === 0) this.host.capture()
    this.#listeners = [...(this.#listeners ?? []), listener]
    let added = true
    return () => {
      // once: the same listener may have been added by somebody else, too
      if (added) this.#listeners = without(this.#listeners, listener)
      added = false
    }
  }

  suspend(timeout: number | undefined): void {
    this.#begin('suspend', timeout)
    if (this.#closed === 'left') this.#apply('disconnect')
  }

  wait(timeout: number | undefined): Promise<Outcome> {
    this.#begin('wait', timeout)
    const waiting = new Promise<Outcome>((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
    this.#park()
    return this.host.reenter(waiting)
  }

  /** @param by who calls, and has let go of it */
  resume(attributes: AttributesCopy | undefined, by?: Holder): boolean {
    if (!this.#decide('resume', by)) return false
    if (this.#attributes === undefined) this.#attributes = attributes
    else if (attributes !== undefined) this.attributes.assign(attributes)
    this.cause ??= 'resumed'
    return this.#decided()
  }

  complete(by?: Holder): boolean {
    return this.#decide('complete', by) && this.#decided()
  }

  /** Ends a waiting request in favour of a newer one. */
  dismiss(): boolean {
    if (!this.isWaiting) return false
    this.host.dismissed()
    return this.complete()
  }

  fail(error: unknown, by?: Holder): boolean {
    if (!this.#decide('fail', by)) return false
    this.failure = error
    return this.#decided()
  }

  setTimeout(ms: number): void {
    this.#timeout = ms
    this.#span = ms
    if (this.#apply('extend') && isWaiting(this.phase)) this.#deadline?.start(ms)
  }

  /** The server is going away: the time is up within so many milliseconds, unless it is up before. */
  retire(within: number): void {
    this.host.closing()
    // of one whose handler still runs it is not known yet
    if (!isUndecided(this.phase) || this.isAtWork || this.phase === 'suspending') return
    const ms = Math.max(1, within)
    if (!isWaiting(this.phase)) this.#span = this.#span > 0 ? Math.min(this.#span, ms) : ms
    else if ((this.until ?? 0) > this.host.policy.clock.now() + ms) this.#deadline?.start(ms)
  }

  /**
   * The handler has returned to a boundary.
   *
   * @returns what the boundary is to do: at once, or when the suspension is decided
   */
  returned(outermost: boolean): Verdict | Promise<Verdict> {
    const from = this.phase
    if (from === 'dispatched' && !outermost) return 'send'
    this.#stopRunning()
    if (this.#closed === undefined && from === 'dispatched' && this.host.isGone()) this.#leave()
    this.#apply('return')
    if (isLatched(from)) this.#tell('onSuspend')
    if (this.phase === 'suspended' || this.phase === 'woken') {
      return new Promise((resolve) => {
        this.#proceed = resolve
        if (this.phase === 'suspended') this.#park()
        else this.#arrive()
      })
    }
    if (from === 'failing') this.#tell('onError', this.failure)
    if (from === 'aborting') this.#tell('onDisconnect')
    if (from === 'completing') this.host.completed()
    this.#end()
    return from === 'failing' ? 'throw' : 'send'
  }

  /** The handler has thrown to a boundary. */
  threw(error: unknown, outermost: boolean): void {
    const from = this.phase
    if (from === 'dispatched' && !outermost) return
    this.#stopRunning()
    if (this.#apply('throw') && from !== 'dispatched') {
      this.failure = error
      this.#tell('onError', error)
    }
    this.#end()
  }

  /** The turn of a decided request has come. @returns `false` where a handler runs on in the place where it awaits */
  wake(): boolean {
    // not at the decision: thousands are decided in one go, and a timer that comes in between finds it decided
    this.#deadline?.stop()
    const waiter = this.#waiter
    const proceed = this.#proceed
    this.#waiter = undefined
    this.#proceed = undefined
    const dispatched = (waiter ?? proceed) !== undefined && this.#apply('dispatch')
    if (waiter !== undefined) {
      if (this.phase === 'failed') waiter.reject(this.failure)
      else waiter.resolve(this.phase === 'aborted' ? 'disconnected' : (this.cause ?? 'completed'))
    } else if (dispatched) {
      this.dispatches++
      this.running = true
      proceed?.('dispatch')
    } else if (proceed !== undefined) {
      if (this.phase === 'completed' && this.failure === undefined) this.host.completed()
      // it may have ended meanwhile, where the client has left
      proceed(this.failure === undefined ? 'send' : 'throw')
    }
    return waiter === undefined
  }

  /** The time is up. */
  expire(): void {
    if (!this.#apply('expire')) return
    this.cause = 'expired'
    this.#tell('onTimeout')
    this.#apply('listened')
    if (this.phase === 'suspended') {
      this.cause = undefined
      this.#deadline?.start(this.#span)
    } else this.#arrive()
  }

  /** The socket is done with the response: all of it was handed over, or the client has left before. */
  close(finished: boolean): void {
    if (this.#closed !== undefined) return
    if (finished) {
      this.#closed = 'finished'
      // written past the framework while it was parked: there is nothing left to wait for
      if (isWaiting(this.phase) && this.#apply('complete') && this.phase === 'completed') this.#arrive()
    } else if (this.#leave()) this.#arrive()
    this.#end()
  }

  /** Looks the signal up and takes its step. `false` where there is none. */
  #apply(signal: Signal, by?: Holder): boolean {
    const from = this.phase
    const to = lifecycle[from][signal]
    if (to === '-' || to === 'late') return false
    if (to === 'illegal') throw this.illegal(`${signal}()`, hintAt(from))
    this.phase = to
    if (isSuspended(from) && isOver(to)) this.cause = undefined
    if (!isUndecided(to) && to !== 'dispatched') this.#settle(isUndecided(from), by)
    return true
  }

  /** A decision from outside. Before any suspension there is nothing to decide. */
  #decide(signal: 'resume' | 'complete' | 'fail', by?: Holder): boolean {
    if (this.suspensions === 0 && this.phase === 'dispatched') throw this.illegal(`${signal}()`, 'call suspend() first')
    // also of one that comes too late: it may have set a body
    this.host.hearBody()
    return this.#apply(signal, by)
  }

  /** At once, where nobody's code runs on whose account the decision is kept. */
  #decided(): true {
    if (!isSuspended(this.phase)) this.#arrive()
    return true
  }

  #begin(signal: 'suspend' | 'wait', timeout: number | undefined): void {
    if (lifecycle[this.phase][signal] === 'illegal') throw this.illegal(`${signal}()`, hintAt(this.phase))
    this.host.admit(this.isAtWork)
    this.#apply(signal)
    this.host.capture()
    this.suspensions++
    this.cause = undefined
    this.#span = timeout ?? this.#timeout ?? this.host.policy.timeout
  }

  /** The suspension is decided, or the request over: nobody waits for it any more. */
  #settle(wasUndecided: boolean, by: Holder | undefined): void {
    if (wasUndecided) this.host.release()
    this.isAtWork = false
    const { holders } = this
    this.holders = undefined
    letGo(holders, by)
  }

  /** The handler has returned suspended, or awaits: from now on the time counts. */
  #park(): void {
    this.host.parked()
    if (this.#closed === undefined && this.host.isGone()) this.#leave()
    else if (this.#closed !== undefined) this.#apply(this.#closed === 'left' ? 'disconnect' : 'complete')
    else {
      this.since = this.host.policy.clock.now()
      this.#deadline ??= new Deadline(this.host.policy, this)
      this.#deadline.start(this.#span)
      if (this.#listeners !== undefined) {
        this.#apply('park')
        this.#tell('onSuspend')
        this.#apply('listened')
      }
    }
    if (this.phase !== 'suspended') this.#arrive()
  }

  /** A parked request is decided: tells the listeners, and sees to it that somebody goes on. */
  #arrive(): void {
    if (this.phase === 'aborted') {
      this.#tell('onDisconnect')
      this.wake()
    } else {
      if (this.phase === 'woken' && this.cause === 'resumed') this.#tell('onResume')
      if (this.phase === 'failed') this.#tell('onError', this.failure)
      this.host.hearBody()
      this.host.policy.queue.push(this, this.priority)
    }
    this.#end()
  }

  /** A handler that left while its `wait()` was pending: whoever still listens to that must not hang. */
  #stopRunning(): void {
    this.running = false
    this.#deadline?.stop()
    this.#waiter?.resolve('completed')
    this.#waiter = undefined
  }

  /** @returns whether that decides a parked request */
  #leave(): boolean {
    this.#closed = 'left'
    const decides = this.#apply('disconnect')
    // after the step: who hears of it comes too late to decide
    this.#abort?.abort(new DisconnectError())
    return decides && this.phase === 'aborted'
  }

  /** Once the outcome is settled, the handler has returned and the socket is done: the end. */
  #end(): void {
    if (this.running || this.#closed === undefined || this.phase === 'ended' || !isOver(this.phase)) return
    this.#deadline?.stop()
    if (this.#closed === 'left' && this.phase !== 'aborted') this.#tell('onDisconnect')
    this.#apply('finish')
    this.#tell('onComplete')
    this.#listeners = undefined
    this.#abort?.abort()
  }

  #tell(event: ContinuationEvent, error?: unknown): void {
    if (this.#listeners !== undefined) tell(this.host, this.#listeners, event, this.continuation, error)
  }
}
