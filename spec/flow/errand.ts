import type { Job } from '../../src/index.js'

/** A job whose beginning, end and signal are in the test's hands. */
export interface Errand<Result = unknown> {
  readonly job: Job<Result>
  /** Once it runs. */
  readonly signal: AbortSignal | undefined
  /** The code of the error, or else its message, with which its signal was aborted. */
  readonly aborted: string | undefined
  /** How often it was begun. */
  readonly begun: number
  done(result: Result): void
  fail(error: unknown): void
}

/** @param begins is told when it begins */
export function errand<Result = unknown>(begins: () => void = () => {}): Errand<Result> {
  let done!: (result: Result) => void
  let fail!: (error: unknown) => void
  const ending = new Promise<Result>((resolve, reject) => {
    done = resolve
    fail = reject
  })
  ending.catch(() => {})
  const made = {
    signal: undefined as AbortSignal | undefined,
    begun: 0,
    get aborted() {
      const reason = made.signal?.reason as { code?: string; message: string } | undefined
      return reason?.code ?? reason?.message
    },
    done,
    fail,
    job: (signal: AbortSignal) => {
      made.signal = signal
      made.begun++
      begins()
      return ending
    },
  }
  return made
}
