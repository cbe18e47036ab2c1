import type { Continuation } from './continuation.js'

/** Work on behalf of a request. The signal is aborted when nobody waits for its result any more. */
export type Job<Result> = (signal: AbortSignal) => Result | PromiseLike<Result>

/** How one job stands in the line of its lane. */
export interface JobOptions {
  /**
   * Which of those in line goes first: the higher number, and of equal ones the earlier. Default the continuation's
   * `priority`, and that is 0.
   */
  priority?: number | undefined
}

/** The same for `returnWhen()`, and the name of its result. */
export interface ReturnWhenOptions extends JobOptions {
  /** The attribute that says how the job went. Default the name of the lane. */
  as?: string | undefined
}

/** What an attribute of this type holds when its job went well. */
export type ResultOf<Attribute> = [Attribute] extends [PromiseSettledResult<infer Result>] ? Result : unknown

/** Where jobs of one kind run, for the continuations above which it stands. */
export interface JobLane {
  returnWhen(continuation: Continuation, job: Job<unknown>, options?: ReturnWhenOptions): void
  waitFor<Result>(continuation: Continuation, job: Job<Result>, options?: JobOptions): Promise<Result>
}
