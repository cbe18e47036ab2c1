import type { Clock } from './clock.js'
import type { ContinuationContext } from './continuation.js'
import type { JobLane } from './jobs.js'

/** What is to do something in its turn. */
export interface Wakeable {
  /** @returns `false` where what goes on does not ask whether the turn is `spent()` */
  wake(): boolean
}

export interface Turns {
  push(next: Wakeable, priority: number): void
  /** Where whoever was woken is to wait before its handler runs. */
  spent?(): Promise<void> | undefined
}

/** What holds for all requests of one boundary. */
export interface Policy {
  /** Milliseconds that a suspension lasts when nobody says otherwise. `0`, less, or `Infinity`: for ever. */
  readonly timeout: number
  /** The share of a timeout, 0 to 1, of which a random part is taken off. */
  readonly jitter: number
  readonly random: () => number
  readonly clock: Clock
  /** Those whose suspension is decided wait there for their turn, and those who have something to write meanwhile. */
  readonly queue: Turns
  /** Resolves when what those have sent is read who were put off, if any were. */
  letAllIn?(): Promise<void>
}

/**
 * The framework's side of one request: what the continuation asks of it. The continuation decides, the host acts.
 */
export interface Host {
  readonly context: ContinuationContext
  readonly policy: Policy
  /** Who the client is, or `undefined` where that cannot be told. */
  readonly clientId: string | undefined
  /**
   * The request is about to be held: throws when it cannot be, or must not be.
   *
   * @param isAtWork for work that is to decide it: while the server goes away, one that was held before may be held for that
   */
  admit(isAtWork: boolean): void
  /** One that is decided is not to wait until it may go on, but has this error. `false` where it does not wait for that now. */
  refuse(error: unknown): boolean
  /** The hold that was admitted is over. */
  release(): void
  /** Remembers the async context that it is called in, for `enter`. That of the newest suspension holds. */
  capture(): void
  /** Calls `callback` in the request's own async context. */
  enter(callback: () => void): void
  /** The handler is done for now and the request is held. */
  parked(): void
  /** What the context holds is to be sent, or let go of, a while later: if it fails until then, that is heard. */
  hearBody(): void
  /** A handler that awaits is to go on as `waiting` says. Answers with that, or with what comes later. */
  reenter<T>(waiting: Promise<T>): Promise<T>
  /** The connection is gone, asked at this moment. */
  isGone(): boolean
  /** `complete()` has decided: end a response that the handler began by itself. */
  completed(): void
  /** Ends the response of a request that another one replaces. */
  dismissed(): void
  /** The lane of this name that stands above the request; throws where there is none. */
  lane(name: string): JobLane
  /** The server is going away: the connection is to close with the answer. */
  closing(): void
  /** Tells the app of an error that belongs to no request's flow. */
  report(error: unknown): void
}
