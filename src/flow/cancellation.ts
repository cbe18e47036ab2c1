import type { Continuation } from '../koa/decided.js'
import type { Lane } from './lane.js'

/** Why a job is cancelled whose request goes on without it, or is over. */
export function cancellation(continuation: Continuation, lane: Lane): unknown {
  const { signal } = continuation
  // the client has left
  if (signal.aborted) return signal.reason
  const before = `before the job in the lane ${lane.name} was done`
  return lane.cancelled(continuation.isExpired() ? `The time was up ${before}` : `The request went on ${before}`)
}
