import type { Clock } from '../core/clock.js'
import type { Gap, Log, Position, Stored } from '../log/log.js'

export interface Hearing {
  /** Called for each message that is there when it begins. Default: they are not read. */
  before?(message: Stored): void
  /** Called for each message that was appended since, in order; behind a gap, for all that there are, maybe once more. */
  heard(message: Stored): void
  /** Called when what there was has been heard. @param gap some messages before these are gone */
  read(at: Position, gap: Gap | undefined): void
  /** It could not read. It tries again, after a second or at the next ring. */
  trouble(error: unknown): void
}

/** Milliseconds after which it reads again, where it could not. */
const AGAIN = 1_000

/** Reads a channel of a log from now on. */
export class Follower {
  readonly #log: Log
  readonly #channel: string
  readonly #clock: Clock
  readonly #hearing: Hearing
  #next: Position | undefined
  #beginning: Promise<void> | undefined
  #stop: (() => void) | undefined
  #rung = false
  #reading = false
  #ended = false
  #again: unknown

  constructor(log: Log, channel: string, clock: Clock, hearing: Hearing) {
    this.#log = log
    this.#channel = channel
    this.#clock = clock
    this.#hearing = hearing
  }

  /** When it has resolved, no later message is missed. Where it rejects, nothing has begun, and it may be asked again. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().catch((error: unknown) => {
      this.#beginning = undefined
      throw error
    })
    return this.#beginning
  }

  async #begin(): Promise<void> {
    const hearing = this.#hearing
    const stop = await this.#log.tail(this.#channel, () => void this.#look())
    try {
      const from = hearing.before === undefined ? 'now' : 'oldest'
      const { messages, next } = await this.#log.read(this.#channel, from)
      for (const message of messages) hearing.before?.(message)
      this.#next = next
    } catch (error) {
      stop()
      throw error
    }
    this.#stop = stop
    if (this.#ended) stop()
    // what was appended between the two
    else if (this.#rung) void this.#look()
  }

  end(): void {
    this.#ended = true
    this.#stop?.()
    this.#clock.clearTimeout(this.#again)
  }

  async #look(): Promise<void> {
    this.#rung = true
    if (this.#reading || this.#next === undefined) return
    this.#reading = true
    this.#clock.clearTimeout(this.#again)
    try {
      while (this.#rung && !this.#ended) {
        this.#rung = false
        const { messages, next, gap } = await this.#log.read(this.#channel, this.#next)
        if (this.#ended) return
        this.#next = next
        for (const message of messages) {
          this.#hearing.heard(message)
          // by what it has set off
          if (this.#ended) return
        }
        this.#hearing.read(next, gap)
      }
    } catch (error) {
      if (this.#ended) return
      this.#again = this.#clock.setTimeout(() => void this.#look(), AGAIN, undefined)
      this.#hearing.trouble(error)
    } finally {
      this.#reading = false
    }
  }
}
