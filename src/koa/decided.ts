import { type Continuation, lifeOf, Undispatch } from '../core/continuation.js'

export type { Continuation, Outcome } from '../core/continuation.js'

/** Begins a suspension that is for work on what decides it: whoever was held before may be held for that while the server goes away, too. */
export function suspendForWork<Begun>(continuation: Continuation, begin: () => Begun): Begun {
  const life = lifeOf(continuation)
  if (life.isWaiting) return begin()
  life.isAtWork = true
  try {
    return begin()
  } finally {
    if (!life.isWaiting) life.isAtWork = false
  }
}

/**
 * Work is begun that is to decide the suspension in force. Calls `decided` when that or something else has: before listeners hear of it,
 * and before the next dispatch.
 */
export function workUntilDecided(continuation: Continuation, decided: () => void): void {
  const life = lifeOf(continuation)
  life.isAtWork = true
  life.hold({ letGo: decided })
}

/** Errors by which a handler may leave without having failed, and the requests that they were made for. */
const returns = new WeakMap<object, Continuation>()

/** Makes an error one that the boundary takes for a return, where the handler of this request lets it through. */
export function asReturn<Thrown extends Error>(error: Thrown, continuation: Continuation): Thrown {
  returns.set(error, continuation)
  return error
}

/** What the handler of this request has thrown is the same as a return. */
export function isReturn(error: unknown, continuation: Continuation | undefined): boolean {
  const whose = error instanceof Undispatch ? error.continuation : returns.get(error as object)
  return whose !== undefined && whose === continuation
}
