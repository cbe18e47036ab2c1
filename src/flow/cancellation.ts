import { asReturn, type Continuation } from '../koa/decided.js'
import type { Lane } from './lane.js'

/** Why a job is cancelled whose request goes on without it, or is over. */
export function cancellation(continuation: Continuation, lane: Lane): unknown {
  const { signal, phase } = continuation
  // the client has left
  if (signal.aborted) return signal.reason
  const before = `before the job in the lane ${lane.name} was done`
  // who let it be completed has said what is sent: not this
  if (phase === 'completed' || phase === 'closing') {
    return asReturn(lane.cancelled(`The request was completed ${before}`), continuation)
  }
  return lane.cancelled(continuation.isExpired() ? `The time was up ${before}` : `The request went on ${before}`)
}
