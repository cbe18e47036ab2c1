import type { Clock } from '../../core/clock.js'
import { ringAll } from '../ring.js'

/** How the owner is asked. */
export interface Asking {
  /** @param begun called in the moment in which the owner's answer is heard */
  begin(channel: string, begun: () => void): Promise<unknown>
  end(channel: string): void
}

interface Tail {
  readonly bells: Set<() => void>
  /** Until the owner rings; `undefined` where it is to be asked. */
  beginning: Promise<unknown> | undefined
  inForce: boolean
  /** The owner could not ring for a while. */
  missed: boolean
}

/** Milliseconds after which an owner that could not begin a tail is asked again. */
const AGAIN = 1_000

/** The bells of one follower. For all of a channel the owner is asked once. */
export class Tails {
  readonly #clock: Clock
  readonly #owner: Asking
  readonly #tails = new Map<string, Tail>()
  #again: unknown

  constructor(clock: Clock, owner: Asking) {
    this.#clock = clock
    this.#owner = owner
  }

  /** @returns stops it */
  async add(channel: string, ring: () => void): Promise<() => void> {
    let tail = this.#tails.get(channel)
    if (tail === undefined) {
      tail = { bells: new Set(), beginning: undefined, inForce: false, missed: false }
      this.#tails.set(channel, tail)
    }
    const own = tail
    // a bell of its own, so that the same function may be hung up twice
    const bell = (): void => ring()
    const stop = (): void => {
      if (own.bells.delete(bell)) this.#leave(channel, own)
    }
    own.bells.add(bell)
    try {
      await this.#begun(channel, own)
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  ring(channel: string): void {
    ringAll(this.#tails.get(channel)?.bells ?? [])
  }

  /** The owner rings no more. */
  lost(): void {
    this.#rest()
    for (const tail of this.#tails.values()) {
      if (!tail.inForce) continue
      tail.inForce = false
      tail.missed = true
      tail.beginning = undefined
    }
  }

  /** There is an owner again: it is to ring, and who may have missed something looks. */
  found(): void {
    for (const [channel, tail] of this.#tails) {
      // where it fails, it is tried again
      if (tail.missed) this.#begun(channel, tail).catch(() => {})
    }
  }

  clear(): void {
    this.#rest()
    this.#tails.clear()
  }

  #leave(channel: string, tail: Tail): void {
    if (tail.bells.size > 0 || this.#tails.get(channel) !== tail) return
    this.#tails.delete(channel)
    this.#owner.end(channel)
  }

  #begun(channel: string, tail: Tail): Promise<unknown> {
    tail.beginning ??= this.#begin(channel, tail)
    return tail.beginning
  }

  async #begin(channel: string, tail: Tail): Promise<void> {
    const begun = (): void => {
      // the last bell was taken down when the owner could not be told
      if (!this.#tails.has(channel)) this.#owner.end(channel)
      tail.inForce = true
      const { missed } = tail
      tail.missed = false
      if (missed) this.ring(channel)
    }
    try {
      await this.#owner.begin(channel, begun)
    } catch (error) {
      tail.beginning = undefined
      if (tail.missed && this.#tails.get(channel) === tail) this.#tryAgain()
      throw error
    }
  }

  #tryAgain(): void {
    this.#again ??= this.#clock.setTimeout(
      () => {
        this.#again = undefined
        this.found()
      },
      AGAIN,
      undefined,
    )
  }

  #rest(): void {
    this.#clock.clearTimeout(this.#again)
    this.#again = undefined
  }
}
