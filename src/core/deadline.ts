import type { Policy } from './host.js'

let due: (deadline: Deadline) => void

/** When a suspension expires, and the timer for it. */
export class Deadline {
  /** In milliseconds since 1970; `Infinity` for never. */
  until = Number.POSITIVE_INFINITY
  #timer: unknown
  readonly #policy: Policy
  readonly #owner: { expire(): void }

  constructor(policy: Policy, owner: { expire(): void }) {
    this.#policy = policy
    this.#owner = owner
  }

  get isSet(): boolean {
    return this.#timer !== undefined
  }

  /** Starts anew, with `ms` less the policy's jitter. `0`, less, or `Infinity`: never. */
  start(ms: number): void {
    this.stop()
    this.until = Number.POSITIVE_INFINITY
    if (!(ms > 0) || ms === Number.POSITIVE_INFINITY) return
    const { clock, jitter, random } = this.#policy
    const span = jitter === 0 ? ms : ms * (1 - jitter * random())
    this.until = clock.now() + span
    this.#timer = clock.setTimeout(due, span, this)
  }

  stop(): void {
    if (this.#timer === undefined) return
    this.#policy.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  static {
    due = (deadline) => {
      const { clock } = deadline.#policy
      const left = deadline.until - clock.now()
      // a timer may come early, by a part of a millisecond
      deadline.#timer = left >= 1 ? clock.setTimeout(due, left, deadline) : undefined
      if (deadline.#timer === undefined) deadline.#owner.expire()
    }
  }
}
