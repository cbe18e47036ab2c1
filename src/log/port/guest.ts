import { LogError } from '../errors.js'
import type { Log, Position } from '../log.js'
import { type Answer, type Append, type Asked, infinite, packFailure, type Told, unpackBacklog } from './wire.js'

/** The results of a follower's appends that it has not heard of yet: so one that is asked for again is not done again. */
export type Appended = Map<number, Promise<Position>>

interface Tail {
  readonly stop: Promise<() => void>
  /** A ring is on its way. */
  ringing: boolean
  /** Another one is due after it. */
  again: boolean
}

/** What a guest needs of its owner. */
export interface GuestHouse {
  readonly log: Log
  readonly now: () => number
}

/** One follower, at the owner: does what it asks for. */
export class Guest {
  readonly #house: GuestHouse
  readonly #appended: Appended
  readonly #tell: (word: Told) => void
  readonly #tails = new Map<string, Tail>()

  constructor(house: GuestHouse, appended: Appended, tell: (word: Told) => void) {
    this.#house = house
    this.#appended = appended
    this.#tell = tell
  }

  hear(word: Asked): void {
    switch (word[0]) {
      case 'append':
        this.#append(word)
        break
      case 'read': {
        const [, n, channel, after, bytes] = word
        this.#answer(n, this.#house.log.read(channel, after, infinite(bytes)))
        break
      }
      case 'tail':
        this.#answer(word[1], this.#tail(word[2]))
        break
      case 'stop':
        this.#stop(word[1])
        break
      case 'heard':
        this.#heard(word[1])
    }
  }

  /** Its tails are stopped, and it is told nothing more. */
  leave(): void {
    for (const channel of this.#tails.keys()) this.#stop(channel)
  }

  /** The results of appends below `n` have come to it. */
  forget(n: number): void {
    for (const number of this.#appended.keys()) {
      if (number >= n) return
      this.#appended.delete(number)
    }
  }

  #append([, n, channel, message, backlog, until]: Append): void {
    let appending = this.#appended.get(n)
    if (appending === undefined) {
      if (until !== null && this.#house.now() > until) {
        const late = new LogError('ERR_LOG_TIMEOUT', 'The append came to the owner of the log when its time was up')
        this.#tell(['failure', n, packFailure(late)])
        return
      }
      appending = this.#house.log.append(channel, message, unpackBacklog(backlog))
      this.#appended.set(n, appending)
      // what has failed may be asked for anew
      appending.catch(() => this.#appended.delete(n))
    }
    this.#answer(n, appending)
  }

  #answer(n: number, answering: Promise<Answer>): void {
    answering.then(
      (answer) => this.#tell(['answer', n, answer]),
      (error: unknown) => this.#tell(['failure', n, packFailure(error)]),
    )
  }

  async #tail(channel: string): Promise<null> {
    let tail = this.#tails.get(channel)
    if (tail === undefined) {
      const stop = this.#house.log.tail(channel, () => this.#ring(channel))
      tail = { stop, ringing: false, again: false }
      this.#tails.set(channel, tail)
    }
    try {
      await tail.stop
      return null
    } catch (error) {
      if (this.#tails.get(channel) === tail) this.#tails.delete(channel)
      throw error
    }
  }

  #stop(channel: string): void {
    const tail = this.#tails.get(channel)
    this.#tails.delete(channel)
    // where the tail has failed there is nothing to stop
    tail?.stop.then(
      (stop) => stop(),
      () => {},
    )
  }

  /** One ring is on its way at most: who is slow to hear it does not let rings pile up. */
  #ring(channel: string): void {
    const tail = this.#tails.get(channel)
    if (tail === undefined) return
    tail.again = tail.ringing
    if (tail.ringing) return
    tail.ringing = true
    this.#tell(['ring', channel])
  }

  #heard(channel: string): void {
    const tail = this.#tails.get(channel)
    if (tail === undefined) return
    tail.ringing = false
    if (tail.again) this.#ring(channel)
  }
}
