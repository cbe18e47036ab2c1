import type { Clock } from '../core/clock.js'
import { WakeQueue } from '../core/wake-queue.js'

/** Milliseconds of going on in one turn of the event loop. */
const BUDGET = 5

/**
 * Those who take over a place from somebody: they go on in the same turn of the event loop, so that the place stands
 * empty for no longer than it takes the one before to get its answer out.
 *
 * Where that has gone on for 5 ms in one turn, the loop turns first, as it does for all others that are woken.
 */
export class Relay {
  readonly #clock: Clock
  readonly #late: WakeQueue<() => void>
  #turnEnds: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#late = new WakeQueue({ budget: BUDGET, clock, wake: (go) => go() })
  }

  push(go: () => void): void {
    const clock = this.#clock
    if (this.#turnEnds === undefined) {
      this.#turnEnds = clock.now() + BUDGET
      clock.nextTurn(() => {
        this.#turnEnds = undefined
      })
    }
    if (this.#late.size === 0 && clock.now() < this.#turnEnds) clock.afterJobs(go)
    else this.#late.push(go)
  }
}
