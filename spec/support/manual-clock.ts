import type { Clock } from '../../src/core/clock.js'
import { systemClock } from '../../src/core/clock.js'

interface Timer {
  readonly at: number
  readonly fire: () => void
}

/** A clock that a test moves by hand. The turns of the loop are real. */
export class ManualClock implements Clock {
  #now = 1_000_000
  readonly #timers = new Set<Timer>()

  now = (): number => this.#now

  setTimeout = <T>(callback: (argument: T) => void, ms: number, argument: T): Timer => {
    const timer = { at: this.#now + ms, fire: () => callback(argument) }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout = (timer: unknown): void => {
    this.#timers.delete(timer as Timer)
  }

  nextTurn = systemClock.nextTurn
  afterJobs = systemClock.afterJobs

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** Milliseconds from now at which the next timer fires. */
  get next(): number | undefined {
    const at = Math.min(...[...this.#timers].map((timer) => timer.at))
    return at === Number.POSITIVE_INFINITY ? undefined : at - this.#now
  }

  /** Moves on, firing what falls due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.fire()
    }
    this.#now = end
  }
}
