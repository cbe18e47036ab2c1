/**
 * The only door to time: deadlines, the turns of the event loop, and what time it is.
 *
 * The library asks no other source. A test hands in a clock of its own and moves it by hand.
 */
export interface Clock {
  /** Milliseconds since 1970, never going backwards. */
  now(): number
  /** Calls `callback(argument)` once, after `ms` milliseconds. The argument spares each waiter a closure. */
  setTimeout<T>(callback: (argument: T) => void, ms: number, argument: T): unknown
  clearTimeout(timer: unknown): void
  /** Calls `callback` in the next turn of the event loop, after pending input and output. */
  nextTurn(callback: () => void): void
  /** Calls `callback` in this turn, once the promise jobs that are queued now, and those they queue, have run. */
  afterJobs(callback: () => void): void
}

/** How a time is shown: as a date, where there is one so late. */
export function shownTime(ms: number | undefined): Date | 'for ever' | undefined {
  if (ms === undefined) return undefined
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'for ever' : date
}

/** Timers take a signed 32-bit number of milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** A wait that is longer than timers go: one after the other. */
class LongTimer {
  #timer: NodeJS.Timeout | undefined

  constructor(callback: () => void, ms: number) {
    this.#start(callback, ms)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #start(callback: () => void, ms: number): void {
    const left = ms - LONGEST_TIMER
    const next = left > 0 ? () => this.#start(callback, left) : callback
    this.#timer = setTimeout(next, Math.min(ms, LONGEST_TIMER))
  }
}

const begun = performance.timeOrigin
const settled = Promise.resolve()

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => begun + performance.now(),
  setTimeout: (callback, ms, argument) =>
    ms > LONGEST_TIMER ? new LongTimer(() => callback(argument), ms) : setTimeout(callback, ms, argument),
  clearTimeout: (timer) => {
    if (timer instanceof LongTimer) timer.stop()
    else clearTimeout(timer as NodeJS.Timeout)
  },
  nextTurn: (callback) => {
    setImmediate(callback)
  },
  // a tick runs when the queue of promise jobs is empty, so the job that asks for it comes last but never waits
  afterJobs: (callback) => {
    settled.then(() => process.nextTick(callback))
  },
}
