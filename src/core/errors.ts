import type { Phase } from './lifecycle.js'
import { retryAfter } from './retry-after.js'

/**
 * A call that the state of the request does not allow, such as a second `suspend()` in one dispatch.
 *
 * A programming error of the caller's: it says what could not be done, in which phase, and what to do instead.
 */
export class IllegalStateError extends Error {
  override readonly name = 'IllegalStateError'
  readonly code: string = 'ERR_ILLEGAL_STATE'
  /** The phase the request was in. */
  readonly phase: Phase | undefined

  constructor(message: string, phase?: Phase) {
    super(message)
    this.phase = phase
  }
}

/** A continuation was asked for where no `continuations()` or `suspendable()` stands above. */
export class BoundaryError extends Error {
  override readonly name = 'BoundaryError'
  readonly code: string = 'ERR_NO_BOUNDARY'
}

/** Which limit was met: of all holds, of one client's, of one key's. */
export type LimitScope = 'total' | 'perClient' | 'perKey'

/**
 * One more request would be held than a limit allows. Koa answers it as 503 with `Retry-After`.
 *
 * The seconds of `Retry-After` are drawn between 1 and 10, so that those sent away together do not come back together.
 */
export class SuspensionLimitError extends Error {
  override readonly name = 'SuspensionLimitError'
  readonly code: string = 'ERR_SUSPENSION_LIMIT'
  readonly status: number = 503
  readonly statusCode: number = 503
  readonly expose: boolean = true
  readonly headers: Record<string, string>
  /** Seconds after which the client may try again. */
  readonly retryAfter: number
  /** The number that was met. */
  readonly limit: number
  readonly scope: LimitScope

  constructor(scope: LimitScope, limit: number, random: () => number = Math.random) {
    const whose = { total: '', perClient: ' from this client', perKey: ' under this key' }[scope]
    const waiting = limit === 0 ? 'none may wait' : `${limit} ${limit === 1 ? 'is' : 'are'} already waiting`
    super(`Cannot hold another request${whose}: ${waiting}`)
    this.scope = scope
    this.limit = limit
    this.retryAfter = retryAfter(random)
    this.headers = { 'Retry-After': String(this.retryAfter) }
  }
}

/**
 * A request would be held, or was, while the server is on its way down. Koa answers it as 503 with `Retry-After`.
 *
 * The seconds of `Retry-After` are drawn between 1 and 10, as those of a `SuspensionLimitError`.
 */
export class DrainError extends Error {
  override readonly name = 'DrainError'
  readonly code: string = 'ERR_DRAINING'
  readonly status: number = 503
  readonly statusCode: number = 503
  readonly expose: boolean = true
  readonly headers: Record<string, string>
  /** Seconds after which the client may try again. */
  readonly retryAfter: number

  constructor(random: () => number = Math.random) {
    super('Cannot hold this request: the server is going away')
    this.retryAfter = retryAfter(random)
    this.headers = { 'Retry-After': String(this.retryAfter) }
  }
}

/** A request was dispatched more often than `maxDispatches`, most likely by a handler that suspends on every path. */
export class DispatchLimitError extends Error {
  override readonly name = 'DispatchLimitError'
  readonly code: string = 'ERR_DISPATCH_LIMIT'
  readonly status: number = 500
  readonly limit: number

  constructor(limit: number) {
    super(`Cannot dispatch the request again: it was dispatched ${limit} times already, and maxDispatches is ${limit}`)
    this.limit = limit
  }
}

/** Why a continuation's `signal` was aborted when the client went away. */
export class DisconnectError extends Error {
  override readonly name = 'DisconnectError'
  readonly code: string = 'ERR_CLIENT_DISCONNECTED'
  /** What nginx calls it. Nobody is there to get it. */
  readonly status: number = 499
  /** A handler may let it through: it is nothing that an app must log. */
  readonly expose: boolean = true

  constructor() {
    super('The client has left')
  }
}

/** A job was to run in a lane that nothing above the handler has. */
export class UnknownLaneError extends Error {
  override readonly name = 'UnknownLaneError'
  readonly code: string = 'ERR_UNKNOWN_LANE'
  readonly lane: string
  /** The lanes that there are. */
  readonly known: readonly string[]

  constructor(lane: string, known: readonly string[]) {
    const there = known.length === 0 ? '' : `, where there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`
    super(`There is no lane ${lane}: put app.use(lanes({ ${lane}: … })) above the handler${there}`)
    this.lane = lane
    this.known = known
  }
}

/** An argument or option of the wrong type, or one that is not known. */
export class InvalidTypeError extends TypeError {
  readonly code: string = 'ERR_INVALID_OPTION'
}

/** A number outside of the range that an argument or option takes. */
export class InvalidRangeError extends RangeError {
  readonly code: string = 'ERR_INVALID_OPTION'
}
