/**
 * The life of a request, as one table: phases down, signals across.
 *
 * Gerunds (`suspending`, `resuming`, …) are decided while somebody's code still runs; participles (`suspended`,
 * `woken`, `completed`, …) are true once it has returned. A decision taken in between is kept in the gerund and
 * acts at the return, so no order of calls loses a wake-up.
 *
 * The table decides and does nothing: it answers with the next phase, and whoever holds the request acts.
 */

/** Where a request stands. */
export type Phase =
  // the handler runs
  | 'dispatched' // and has not suspended in this dispatch
  | 'suspending' // and has suspended
  | 'resuming' // … and somebody resumed already
  | 'completing' // … completed already
  | 'failing' // … failed already
  | 'aborting' // … or the client has left already
  // the request is parked
  | 'parking' // and the onSuspend listeners run; none has decided
  | 'suspended' // and waits for a decision
  // the onTimeout listeners run
  | 'expiring' // and none has decided
  | 'extending' // one has set a new timeout
  // these, or the onSuspend listeners
  | 'reviving' // one has resumed
  | 'closing' // one has completed
  | 'erring' // one has failed
  | 'departing' // or the client has left meanwhile
  // the suspension is decided
  | 'woken' // the next dispatch waits for its turn
  | 'completed' // the response is on its way
  | 'failed' // the error is on its way
  | 'aborted' // the client has left
  // and the request is over
  | 'ended'

/** What can happen to it. */
export type Signal =
  // from the handler
  | 'suspend'
  | 'wait' // suspend in place: the handler awaits
  | 'return'
  | 'throw'
  // from anybody
  | 'resume'
  | 'complete'
  | 'fail'
  | 'extend' // setTimeout()
  // from the handler's return, the clock, the wake queue and the socket
  | 'park' // the onSuspend listeners are to be called
  | 'expire'
  | 'listened' // every listener of that has been called
  | 'dispatch'
  | 'disconnect'
  | 'finish' // the response has been handed to the socket, or the socket is gone

/**
 * What a cell says: the next phase, or why there is none.
 *
 * - `late`: it came after the decision; the answer is `false`, nothing changes
 * - `illegal`: a programming error of the handler's; it throws
 * - `-`: nothing to do here, and no harm done
 */
export type Cell = Phase | 'late' | 'illegal' | '-'

export const signals = [
  'suspend',
  'wait',
  'return',
  'throw',
  'resume',
  'complete',
  'fail',
  'extend',
  'park',
  'expire',
  'listened',
  'dispatch',
  'disconnect',
  'finish',
] as const satisfies readonly Signal[]

/** The steps there are. Every other signal finds the phase as it is: see `otherwise`. */
const steps: { readonly [P in Phase]: { readonly [S in Signal]?: Phase } } = {
  dispatched: { suspend: 'suspending', wait: 'suspended', return: 'completed', throw: 'failed' },
  suspending: {
    resume: 'resuming',
    complete: 'completing',
    fail: 'failing',
    disconnect: 'aborting',
    return: 'suspended',
    throw: 'failed',
  },
  resuming: { return: 'woken', throw: 'failed' },
  completing: { return: 'completed', throw: 'failed' },
  failing: { return: 'failed', throw: 'failed' },
  aborting: { return: 'aborted', throw: 'failed' },

  parking: {
    resume: 'reviving',
    complete: 'closing',
    fail: 'erring',
    disconnect: 'departing',
    extend: 'parking',
    listened: 'suspended',
  },
  suspended: {
    park: 'parking',
    resume: 'woken',
    complete: 'completed',
    fail: 'failed',
    disconnect: 'aborted',
    expire: 'expiring',
    extend: 'suspended',
    // the handler has left while its wait() was pending
    return: 'completed',
    throw: 'failed',
  },

  expiring: {
    resume: 'reviving',
    complete: 'closing',
    fail: 'erring',
    disconnect: 'departing',
    extend: 'extending',
    listened: 'woken',
  },
  extending: {
    resume: 'reviving',
    complete: 'closing',
    fail: 'erring',
    disconnect: 'departing',
    extend: 'extending',
    listened: 'suspended',
  },
  reviving: { listened: 'woken' },
  closing: { listened: 'completed' },
  erring: { listened: 'failed' },
  departing: { listened: 'aborted' },

  // a return or a throw: again a wait() that was left
  woken: { dispatch: 'dispatched', return: 'completed', throw: 'failed' },
  completed: { finish: 'ended' },
  failed: { finish: 'ended' },
  aborted: { finish: 'ended' },
  ended: {},
}

function otherwise(signal: Signal): Cell {
  switch (signal) {
    case 'suspend':
    case 'wait':
      return 'illegal'
    case 'resume':
    case 'complete':
    case 'fail':
      return 'late'
    default:
      return '-'
  }
}

export const phases = Object.keys(steps) as Phase[]

/** The table, whole: `lifecycle.suspended.resume` is `'woken'`, `lifecycle.woken.resume` is `'late'`. */
export const lifecycle = Object.fromEntries(
  phases.map((phase) => [
    phase,
    Object.fromEntries(signals.map((signal) => [signal, steps[phase][signal] ?? otherwise(signal)])),
  ]),
) as { readonly [P in Phase]: { readonly [S in Signal]: Cell } }

/** A suspension is in force and nobody has decided it: it counts against the limits, and managers keep it. */
export function isUndecided(phase: Phase): boolean {
  return isWaiting(phase) || phase === 'suspending' || phase === 'expiring' || phase === 'extending'
}

/** The time of a suspension counts. */
export function isWaiting(phase: Phase): boolean {
  return phase === 'suspended' || phase === 'parking'
}

/** What `isSuspended()` answers: decisions that still wait for a return count as suspended. */
export function isSuspended(phase: Phase): boolean {
  switch (phase) {
    case 'dispatched':
    case 'woken':
    case 'completed':
    case 'failed':
    case 'aborted':
    case 'ended':
      return false
    default:
      return true
  }
}

/** A suspension that returns from one of these was real, if short: its listeners hear of it. */
export function isLatched(phase: Phase): boolean {
  return phase === 'resuming' || phase === 'completing' || phase === 'failing'
}

/** The outcome is settled and only the response is left to send. */
export function isOver(phase: Phase): boolean {
  return phase === 'completed' || phase === 'failed' || phase === 'aborted' || phase === 'ended'
}

/** What to do where the handler's signal is illegal. */
export function hintAt(phase: Phase): string {
  // a handler that awaits may run on after these
  if (phase === 'aborted') return 'its client has left'
  if (phase === 'completed') return 'its answer is decided'
  if (isOver(phase)) return 'the dispatch is over'
  if (phase === 'woken' || isWaiting(phase)) return 'the handler has returned; suspend in its next dispatch'
  return 'once is enough in a dispatch'
}
