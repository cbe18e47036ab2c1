import { Chain, Chained } from '../../core/chain.js'
import type { Clock } from '../../core/clock.js'

/** Something that waits for Redis. */
export abstract class Waiting extends Chained<Waiting> {
  since = 0
  abstract expire(): void
}

/** Somebody who is told when he has waited for too long. */
export class Waiter extends Waiting {
  readonly #giveUp: () => void

  constructor(giveUp: () => void) {
    super()
    this.#giveUp = giveUp
  }

  expire(): void {
    this.#giveUp()
  }
}

/** A timer that fires so many milliseconds too late says that this process itself stood still. */
const STOOD_STILL = 250
/** So long it then has for the answers that came meanwhile. */
const GRACE = 1_000

/** Lets nobody wait for longer than the span. One timer serves all. */
export class Patience {
  readonly #clock: Clock
  readonly #waiting = new Chain<Waiting>()
  #span: number
  /** Nobody's time has begun before. */
  #from = 0
  #timer: unknown
  #due = 0

  constructor(clock: Clock, span: number) {
    this.#clock = clock
    this.#span = span
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Its time begins now. */
  add(waiting: Waiting): void {
    waiting.since = this.#clock.now()
    this.#waiting.push(waiting)
    // once set, the timer looks for itself whether there is still somebody
    if (this.#timer === undefined) this.#arm(this.#span)
  }

  delete(waiting: Waiting): void {
    this.#waiting.delete(waiting)
  }

  /** Everybody, those too that wait already, may wait for so many milliseconds, from now on or since a moment that is past. */
  allow(span: number, from = this.#clock.now()): void {
    this.#span = span
    this.#from = from
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const { first: oldest } = this.#waiting
    if (oldest !== undefined) this.#arm(Math.max(this.#left(oldest), 0))
  }

  /** Nobody waits any longer. */
  end(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#expire(Number.POSITIVE_INFINITY)
  }

  #arm(ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) return
    this.#due = this.#clock.now() + ms
    this.#timer = this.#clock.setTimeout(() => this.#look(), ms, undefined)
  }

  #look(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    if (now - this.#due > STOOD_STILL && this.#waiting.size > 0) this.#arm(GRACE)
    else this.#expire(now - this.#span)
    const { first: oldest } = this.#waiting
    if (this.#timer === undefined && oldest !== undefined) this.#arm(this.#left(oldest))
  }

  #begun({ since }: Waiting): number {
    return Math.max(since, this.#from)
  }

  #left(waiting: Waiting): number {
    return this.#begun(waiting) + this.#span - this.#clock.now()
  }

  /** Those that wait since then, or longer. */
  #expire(since: number): void {
    for (let oldest = this.#waiting.first; oldest !== undefined; oldest = this.#waiting.first) {
      if (this.#begun(oldest) > since) return
      this.#waiting.delete(oldest)
      oldest.expire()
    }
  }
}
