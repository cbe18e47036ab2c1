import { checkOptions, invalid } from '../koa/checks.js'
import { type Continuation, suspendForWork, workUntilDecided } from '../koa/decided.js'
import type { Job, ReturnWhenOptions } from '../koa/lanes.js'
import { cancellation } from './cancellation.js'
import { checkJob, type Lane } from './lane.js'
import { LaneError } from './lane-error.js'

/** What each request that is put aside waits for. */
const all = new WeakMap<Continuation, Errands>()

/** Suspends, unless the handler has, and runs the job in the lane; the handler is dispatched again when all jobs are done. */
export function returnWhen(
  continuation: Continuation,
  lane: Lane,
  job: Job<unknown>,
  options: ReturnWhenOptions = {},
): void {
  checkOptions('returnWhen()', options, ['priority', 'as'])
  const { priority = continuation.priority, as = lane.name } = options
  checkJob(job, priority)
  if (typeof as !== 'string') throw invalid('as', 'a string', as)
  const known = all.get(continuation)
  if (known?.has(as)) {
    const message = `There is a job ${as} in this dispatch already: name the second one by returnWhen(…, { as })`
    throw new LaneError('duplicate', lane.name, message)
  }
  // refused before anything is suspended, so that a handler which catches it can answer by itself
  lane.admit()
  if (!isDecided(continuation)) suspendForWork(continuation, () => continuation.suspend())
  if (continuation.phase !== 'suspending') {
    // decided already, or the client has left: the job is not run, and what an earlier dispatch has left there is not its result
    continuation.setAttribute(as, { status: 'rejected', reason: cancellation(continuation, lane) })
    return
  }
  const errands = known ?? new Errands(continuation)
  if (known === undefined) all.set(continuation, errands)
  errands.add(as, lane, job, priority)
}

/** The handler has suspended in this dispatch already. */
function isDecided({ phase }: Continuation): boolean {
  switch (phase) {
    case 'suspending':
    case 'resuming':
    case 'completing':
    case 'failing':
    case 'aborting':
      return true
    default:
      return false
  }
}

/** The jobs of one suspension. What each came to is an attribute, as soon as it is known. */
class Errands {
  readonly #continuation: Continuation
  readonly #names = new Set<string>()
  readonly #pending = new Map<string, { readonly lane: Lane; cancel(reason: unknown): void }>()
  #decided = false

  constructor(continuation: Continuation) {
    this.#continuation = continuation
    // a job may be done before the handler has asked for the next one: it goes on when the handler has returned
    const remove = continuation.addContinuationListener({ onSuspend: () => this.#resumeIfDone() })
    workUntilDecided(continuation, () => {
      remove()
      all.delete(continuation)
      this.#cancel()
    })
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  add(name: string, lane: Lane, job: Job<unknown>, priority: number): void {
    // what an earlier dispatch has left there is not the answer to this
    this.#continuation.removeAttribute(name)
    this.#names.add(name)
    const errand = { lane, cancel: (_reason: unknown): void => {} }
    this.#pending.set(name, errand)
    errand.cancel = lane.enter(job, priority, (settled) => {
      this.#pending.delete(name)
      this.#continuation.setAttribute(name, settled)
      this.#resumeIfDone()
    })
    // a job that began at once may have decided by itself
    if (this.#decided) errand.cancel(cancellation(this.#continuation, lane))
  }

  #resumeIfDone(): void {
    const { phase } = this.#continuation
    if (this.#pending.size === 0 && (phase === 'suspended' || phase === 'parking')) this.#continuation.resume()
  }

  #cancel(): void {
    this.#decided = true
    for (const [name, { lane, cancel }] of this.#pending) {
      const reason = cancellation(this.#continuation, lane)
      this.#continuation.setAttribute(name, { status: 'rejected', reason })
      cancel(reason)
    }
  }
}
