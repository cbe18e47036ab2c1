import { type Continuation, lifeOf } from '../core/continuation.js'

export type { Continuation, Outcome } from '../core/continuation.js'

/** Calls `decided` when the suspension in force is decided: before listeners hear of it, and before the next dispatch. */
export function onceDecided(continuation: Continuation, decided: () => void): void {
  lifeOf(continuation).hold({ letGo: decided })
}
