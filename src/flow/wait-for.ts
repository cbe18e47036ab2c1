import { checkOptions } from '../koa/checks.js'
import { type Continuation, type Outcome, suspendForWork, workUntilDecided } from '../koa/decided.js'
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
    const waiting = suspendForWork(continuation, () => continuation.wait())
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
 * The result of a job goes to the handler as soon as it is there; that of the last one when the request has its turn. Where
 * somebody else ends the wait, jobs are cancelled at once, and the handler hears of it when the request has its turn.
 */
class InPlace {
  readonly #continuation: Continuation
  readonly #pending = new Set<{ readonly lane: Lane; cancel(reason: unknown): void }>()
  /** The end of the present wait; it never rejects, and says where the request was failed, or may not go on. */
  #turn!: Promise<{ readonly error: unknown } | undefined>
  /** The present wait is decided: because no job was left, or by somebody else. */
  #decided: 'no' | 'done' | 'else' = 'no'

  constructor(continuation: Continuation, waiting: Promise<Outcome>) {
    this.#continuation = continuation
    this.#hold(waiting)
  }

  async run<Result>(lane: Lane, job: Job<Result>, priority: number): Promise<Result> {
    const settled = this.#decided === 'else' ? this.#cancelled(lane) : await this.#settled<Result>(lane, job, priority)
    if (this.#pending.size === 0) {
      if (this.#decided === 'no') {
        this.#decided = 'done'
        this.#continuation.resume()
      }
      const failed = await this.#turn
      if (failed !== undefined) throw failed.error
    }
    if (settled.status === 'rejected') throw settled.reason
    return settled.value
  }

  #settled<Result>(lane: Lane, job: Job<Result>, priority: number): Promise<PromiseSettledResult<Result>> {
    return new Promise((resolve) => {
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
      // a job that began at once may have decided by itself
      if (this.#decided === 'else') errand.cancel(this.#cancelled(lane).reason)
    })
  }

  #cancelled(lane: Lane): PromiseRejectedResult {
    return { status: 'rejected', reason: cancellation(this.#continuation, lane) }
  }

  #hold(waiting: Promise<Outcome>): void {
    const continuation = this.#continuation
    this.#decided = 'no'
    if (continuation.phase === 'suspended') {
      const remove = continuation.addContinuationListener({
        onError: (_, error) => {
          remove()
          this.#cancel(() => error)
        },
      })
      workUntilDecided(continuation, () => {
        if (this.#decided === 'no') this.#decided = 'else'
        // with what it has failed the listener hears
        if (continuation.phase === 'failed' || continuation.phase === 'erring') return
        remove()
        if (this.#decided === 'else') this.#cancel((lane) => cancellation(continuation, lane))
      })
    }
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
    if (this.#decided === 'done' && outcome === 'resumed' && this.#pending.size > 0) {
      this.#hold(suspendForWork(this.#continuation, () => this.#continuation.wait()))
    } else this.#end((lane) => cancellation(this.#continuation, lane))
  }

  #end(reason: (lane: Lane) => unknown): void {
    all.delete(this.#continuation)
    this.#cancel(reason)
  }

  #cancel(reason: (lane: Lane) => unknown): void {
    for (const { lane, cancel } of this.#pending) cancel(reason(lane))
  }
}
