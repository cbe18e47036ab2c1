import type { After, Position, Reading } from '../log.js'
import { ringAll } from '../ring.js'
import type { Bell } from './doorbells.js'
import { type Memory, Recent } from './recent.js'

/** What is read of a channel, and where its end was then. */
export interface ReadUp extends Reading {
  readonly last: number
  readonly age: number
}

export interface FollowedOptions {
  readonly memory: Memory
  readonly now: () => number
  /** It could not be read. The next doorbell is another occasion. */
  readonly trouble: (error: Error) => void
  /** Reads what came after the position; without one, where the end is. */
  readonly read: (after: Position | 'now') => Promise<ReadUp>
}

/** One channel that is followed: reads on whenever it has grown, and then rings. */
export class Followed {
  readonly #options: FollowedOptions
  readonly #bells = new Set<() => void>()
  readonly recent: Recent
  /** Resolves when it is known where the channel ends, and so what is new. */
  readonly first: Promise<void>
  #begun!: () => void
  #failed!: (error: Error) => void
  #reading: Promise<void> | undefined
  #isBehind = false
  /** Up to where this process has appended. */
  #own: Position | undefined

  constructor(options: FollowedOptions) {
    this.#options = options
    this.recent = new Recent(options.memory)
    this.first = new Promise((resolve, reject) => {
      this.#begun = resolve
      this.#failed = reject
    })
    this.first.catch(() => {})
  }

  get isFollowed(): boolean {
    return this.#bells.size > 0
  }

  hang(ring: () => void): () => void {
    // a bell of its own, so that the same function may be hung up twice
    const bell = (): void => ring()
    this.#bells.add(bell)
    return () => {
      this.#bells.delete(bell)
    }
  }

  /** Reads on, from now or once more when the reading under way is done. */
  readOn(): Promise<void> {
    this.#isBehind = true
    this.#reading ??= this.#readUp()
    this.#reading.then(this.#begun, this.#failed)
    return this.#reading
  }

  /** @returns undefined where Redis must be asked */
  read(after: After, bytes: number): Reading | undefined {
    const { end } = this.recent
    if (end === undefined || after === 'oldest') return undefined
    // what this process has appended must be there
    if (this.#own !== undefined && isBehind(end, this.#own)) return undefined
    return this.recent.read(after === 'now' ? end : after, bytes, this.#options.now())
  }

  /** Somebody has appended. */
  heard(bell: Bell): void {
    const { end } = this.recent
    if (end === undefined) this.#isBehind ||= this.#reading !== undefined
    else if (isBehind(end, bell.position) && !this.#take(bell, end)) this.readOn().catch(() => {})
  }

  /** This process has appended. */
  appended(bell: Bell, age: number): void {
    this.#own = bell.position
    this.recent.age = age
    this.heard(bell)
  }

  /** @returns whether it is what comes next */
  #take({ position, messages }: Bell, end: Position): boolean {
    if (end.epoch !== position.epoch || messages?.[0]?.seq !== end.seq + 1) return false
    this.recent.take({ messages, next: position }, this.#options.now())
    this.#ring()
    return true
  }

  async #readUp(): Promise<void> {
    try {
      while (this.#isBehind) {
        this.#isBehind = false
        const { end } = this.recent
        const own = this.#own
        const reading = unknown(await this.#options.read(end ?? 'now'), this.recent.end)
        if (this.#own === own) this.#own = undefined
        this.#isBehind ||= reading.next.seq < reading.last
        if (reading.gap === undefined && end !== undefined && reading.messages.length === 0) continue
        this.recent.age = reading.age
        this.recent.take(reading, this.#options.now())
        if (end !== undefined) this.#ring()
      }
    } catch (error) {
      this.#options.trouble(error as Error)
      throw error
    } finally {
      // in the same step as the last look at whether there is more
      this.#reading = undefined
    }
  }

  #ring(): void {
    ringAll(this.#bells)
  }
}

/** A position of another epoch may be anywhere. */
function isBehind(end: Position, position: Position): boolean {
  return end.epoch !== position.epoch || end.seq < position.seq
}

/**
 * Without what this process came to know while it was read. Where there is a gap all of it counts, and so that is read once more:
 * Redis may have answered before it came.
 */
function unknown(reading: ReadUp, end: Position | undefined): ReadUp {
  if (end?.epoch !== reading.next.epoch) return reading
  if (reading.gap !== undefined) return { ...reading, last: Math.max(reading.last, end.seq) }
  return { ...reading, messages: reading.messages.filter(({ seq }) => seq > end.seq) }
}
