import { checkOptions } from '../koa/checks.js'
import type { Continuation, Outcome } from '../koa/decided.js'
import type { Job, JobOptions } from '../koa/lanes.js'
import { cancellation } from './cancellation.js'
import { checkJob, type Lane } from './lane.js'

/** The requests that are held in place for jobs. */
const all = new WeakMap<Continuation, InPlace>()

/** Suspends in place while the job runs in the lane. Resolves or rejects as it does. */
export async function waitFor<Result>(
  continuation: Continuation,
  lane: Lane,
  job: Job<Result>,
  options: JobOptions = {},
): Promise<Result> {
  checkOptions('waitFor()', options, ['priority'])
  const { priority = continuation.priority } = options
  checkJob(job, priority)
  lane.admit()
  let held = all.get(continuation)
  if (held === undefined) {
    const { phase } = continuation
    const waiting = continuation.wait()
    if (phase !== 'dispatched' || continuation.phase !== 'suspended') {
      // rejects where it may not be held now; and else the client has left
      await waiting
      throw cancellation(continuation, lane)
    }
    held = new InPlace(continuation, waiting)
    all.set(continuation, held)
  }
  return held.run(lane, job, priority)
}

/** Whoever awaits it still sees its error; a handler that let go of it must not end the process. */
export function mayBeLetGo<Result>(waiting: Promise<Result>): Promise<Result> {
  waiting.catch(() => {})
  return waiting
}

/**
 * One request that is held in place, for as long as any job of its handler is under way.
 *
 * The result of a job goes to the handler as soon as it is there; that of the last one when the request has its turn.
 */
class InPlace {
  readonly #continuation: Continuation
  readonly #pending = new Set<{ readonly lane: Lane; cancel(reason: unknown): void }>()
  /** The end of the present wait; it never rejects, and says where the request was failed, or may not go on. */
  #turn!: Promise<{ readonly error: unknown } | undefined>
  /** The present wait was ended because no job was left. */
  #done = false

  constructor(continuation: Continuation, waiting: Promise<Outcome>) {
    this.#continuation = continuation
    this.#hold(waiting)
  }

  async run<Result>(lane: Lane, job: Job<Result>, priority: number): Promise<Result> {
    const settled = await new Promise<PromiseSettledResult<Result>>((resolve) => {
      const errand = { lane, cancel: (_reason: unknown): void => {} }
      const tell = (settled: PromiseSettledResult<Result>): void => {
        this.#pending.delete(errand)
        resolve(settled)
      }
      this.#pending.add(errand)
      try {
        const leave = lane.enter(job, priority, tell)
        errand.cancel = (reason) => {
          leave(reason)
          tell({ status: 'rejected', reason })
        }
      } catch (reason) {
        tell({ status: 'rejected', reason })
      }
    })
    if (this.#pending.size === 0) {
      if (this.#continuation.resume()) this.#done = true
      const failed = await this.#turn
      if (failed !== undefined) throw failed.error
    }
    if (settled.status === 'rejected') throw settled.reason
    return settled.value
  }

  #hold(waiting: Promise<Outcome>): void {
    this.#done = false
    this.#turn = waiting.then(
      (outcome) => this.#woken(outcome),
      (error) => {
        this.#end(() => error)
        return { error }
      },
    )
  }

  #woken(outcome: Outcome): undefined {
    // between the wake-up and the turn the handler may have asked for another job
    if (this.#done && outcome === 'resumed' && this.#pending.size > 0) this.#hold(this.#continuation.wait())
    else this.#end((lane) => cancellation(this.#continuation, lane))
  }

  #end(reason: (lane: Lane) => unknown): void {
    all.delete(this.#continuation)
    for (const { lane, cancel } of this.#pending) cancel(reason(lane))
  }
}
