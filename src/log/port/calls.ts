import type { Clock } from '../../core/clock.js'
import type { Asked } from './wire.js'

export interface Call {
  readonly n: number
  /** What to say to the owner. */
  readonly ask: (call: Call) => Asked
  readonly isAppend: boolean
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
  /** Since when it waits. */
  since: number
  /** How often it was said to an owner, and may have been heard. */
  said: number
}

/** A timer that fires so many milliseconds too late says that the process itself stood still. */
const STOOD_STILL = 250
/** So long it then has for what came meanwhile. */
const GRACE = 1_000

/** What was asked of the owner and is not answered, in order, each with a time by which it must be. */
export class Calls implements Iterable<Call> {
  readonly #clock: Clock
  readonly #expired: (call: Call) => Error
  readonly #calls = new Map<number, Call>()
  readonly #appends = new Set<number>()
  #span: number
  #timer: unknown
  #last = 0

  /**
   * @param span milliseconds that a call may wait
   * @param expired what it fails with after that
   */
  constructor(clock: Clock, span: number, expired: (call: Call) => Error) {
    this.#clock = clock
    this.#span = span
    this.#expired = expired
  }

  get size(): number {
    return this.#calls.size
  }

  /** Results of appends below this number have come. */
  get done(): number {
    const [oldest = this.#last + 1] = this.#appends
    return oldest
  }

  start(
    isAppend: boolean,
    ask: (call: Call) => Asked,
    resolve: (answer: unknown) => void,
    reject: (error: Error) => void,
  ): Call {
    const call: Call = { n: ++this.#last, ask, isAppend, resolve, reject, since: this.#clock.now(), said: 0 }
    this.#calls.set(call.n, call)
    if (isAppend) this.#appends.add(call.n)
    if (this.#calls.size === 1) this.#arm()
    return call
  }

  /** Answers are for calls that wait. Others came too late, or were given twice, and that is no error. */
  answer(n: number, answer: unknown): void {
    this.#take(n)?.resolve(answer)
  }

  get(n: number): Call | undefined {
    return this.#calls.get(n)
  }

  fail(n: number, error: Error): void {
    this.#take(n)?.reject(error)
  }

  failAll(errorOf: (call: Call) => Error): void {
    for (const call of [...this.#calls.values()]) this.fail(call.n, errorOf(call))
  }

  /** From now on all of them, and those to come, wait for so long. */
  wait(span: number): void {
    this.#span = span
    const now = this.#clock.now()
    for (const call of this.#calls.values()) call.since = now
    this.#disarm()
    this.#arm()
  }

  [Symbol.iterator](): IterableIterator<Call> {
    return this.#calls.values()
  }

  #take(n: number): Call | undefined {
    const call = this.#calls.get(n)
    this.#calls.delete(n)
    this.#appends.delete(n)
    if (this.#calls.size === 0) this.#disarm()
    return call
  }

  /** One timer, for the oldest: all wait for the same time. */
  #arm(): void {
    const [oldest] = this.#calls.values()
    if (oldest === undefined || this.#span === Number.POSITIVE_INFINITY) return
    const left = oldest.since + this.#span - this.#clock.now()
    this.#timer = this.#clock.setTimeout(() => this.#expire(), Math.max(left, 1), undefined)
  }

  #disarm(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #expire(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    const [oldest] = this.#calls.values()
    const late = oldest === undefined ? 0 : now - oldest.since - this.#span
    if (late > STOOD_STILL) {
      for (const call of this.#calls.values()) call.since += late + Math.min(this.#span, GRACE)
    }
    for (const call of this.#calls.values()) {
      if (call.since + this.#span > now) break
      this.fail(call.n, this.#expired(call))
    }
    if (this.#timer === undefined) this.#arm()
  }
}
