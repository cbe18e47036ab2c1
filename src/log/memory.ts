import { Chain, Chained } from '../core/chain.js'
import { checkFunction, checkOptions, invalid } from '../core/options.js'
import {
  type After,
  type Backlog,
  epochName,
  type Log,
  locate,
  type Message,
  type Position,
  type Reading,
  type Stored,
  sizeOf,
} from './log.js'
import { ringAll } from './ring.js'

/** The time of a `MemoryLog`, and how its epochs are named. */
export interface MemoryLogOptions {
  /** Milliseconds, going forward. Default `performance.now`. */
  now?: (() => number) | undefined
  /**
   * Names an epoch: 1 to 64 letters of ASCII, digits and underscores, so no UUID as it is, for the name is a part of every
   * cursor. Asked once for each channel, when that is first used; a call fails with a `TypeError` `ERR_INVALID_OPTION` for
   * another name. Default a random one.
   */
  epoch?: (() => string) | undefined
}

interface Kept extends Stored {
  readonly at: number
  readonly size: number
}

/**
 * A log in this process's memory: the fastest, and gone with the process. Then the epoch is another one, and readers are
 * told of the gap.
 *
 * Messages that are too old are let go of with the next appends, to whatever channel; there is no timer. Of every channel
 * that was used the epoch and the last number stay, a few hundred bytes: by them whoever comes back is told what is missing.
 */
export class MemoryLog implements Log {
  readonly #topics = new Map<string, Topic>()
  /** Those with messages. */
  readonly #keeping = new Chain<Topic>()
  readonly #now: () => number
  readonly #epoch: () => string

  /** @throws {TypeError} `ERR_INVALID_OPTION` for options that are not known or of the wrong type */
  constructor(options: MemoryLogOptions = {}) {
    checkOptions('A MemoryLog', options, ['now', 'epoch'])
    const { now = () => performance.now(), epoch = randomEpoch } = options
    checkFunction('now', now)
    checkFunction('epoch', epoch)
    this.#now = now
    this.#epoch = epoch
  }

  #topic(channel: string): Topic {
    let topic = this.#topics.get(channel)
    if (topic === undefined) {
      const epoch: unknown = this.#epoch()
      // nobody could come back with a cursor that has another name in it
      if (typeof epoch !== 'string' || !epochName.test(epoch)) {
        throw invalid('What epoch() gives', '1 to 64 letters, digits and underscores', epoch)
      }
      topic = new Topic(epoch)
      this.#topics.set(channel, topic)
    }
    return topic
  }

  async append(channel: string, message: Message, backlog: Backlog): Promise<Position> {
    const topic = this.#topic(channel)
    const now = this.#now()
    const seq = topic.append(message, now, backlog)
    if (!this.#keeping.has(topic)) this.#keeping.push(topic)
    this.#dropOld(now)
    ringAll(topic.bells)
    return { epoch: topic.epoch, seq }
  }

  async read(channel: string, after: After, bytes = Number.POSITIVE_INFINITY): Promise<Reading> {
    return this.#topic(channel).read(after, bytes, this.#now())
  }

  async tail(channel: string, ring: () => void): Promise<() => void> {
    const { bells } = this.#topic(channel)
    // a bell of its own, so that the same function may be hung up twice
    const bell = (): void => ring()
    bells.add(bell)
    return () => {
      bells.delete(bell)
    }
  }

  async close(): Promise<void> {
    for (const { bells } of this.#topics.values()) bells.clear()
  }

  /**
   * Of channels to which nobody appends any more, too, by turns: with every append one that keeps something, and all before it that
   * keep nothing. So what is too old stays for no more appends than there are channels with something that is not.
   */
  #dropOld(now: number): void {
    for (let topic = this.#keeping.shift(); topic !== undefined; topic = this.#keeping.shift()) {
      topic.trim(now)
      if (topic.isEmpty) continue
      this.#keeping.push(topic)
      break
    }
  }
}

class Topic extends Chained<Topic> {
  readonly epoch: string
  readonly bells = new Set<() => void>()
  /** The oldest first. What was dropped leaves holes at the front, until they are half of it. */
  #kept: (Kept | undefined)[] = []
  #head = 0
  #bytes = 0
  #last = 0
  #age = Number.POSITIVE_INFINITY

  constructor(epoch: string) {
    super()
    this.epoch = epoch
  }

  get isEmpty(): boolean {
    return this.#head === this.#kept.length
  }

  append(message: Message, now: number, backlog: Backlog): number {
    const size = sizeOf(message)
    this.#last++
    this.#kept.push({ seq: this.#last, event: message.event, data: message.data, at: now, size })
    this.#bytes += size
    this.#age = backlog.age
    this.trim(now, backlog)
    return this.#last
  }

  read(after: After, bytes: number, now: number): Reading {
    this.trim(now)
    const oldest = this.#last + 1 - (this.#kept.length - this.#head)
    const { from, gap } = locate(after, this.epoch, oldest, this.#last)
    const messages: Stored[] = []
    let read = 0
    for (let place = this.#head + from - oldest; place < this.#kept.length; place++) {
      const { seq, event, data, size } = this.#kept[place] as Kept
      read += size
      if (read > bytes && messages.length > 0) break
      messages.push(event === undefined ? { seq, data } : { seq, event, data })
    }
    const seq = messages.at(-1)?.seq ?? Math.max(from - 1, 0)
    return { messages, next: { epoch: this.epoch, seq }, ...(gap && { gap }) }
  }

  /** Without limits, by age alone. */
  trim(now: number, limits?: Backlog): void {
    const { messages = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = limits ?? {}
    for (;;) {
      const oldest = this.#kept[this.#head]
      if (oldest === undefined) break
      const isNewest = this.#head === this.#kept.length - 1
      const tooOld = oldest.at + this.#age <= now
      const over = !isNewest && (this.#kept.length - this.#head > messages || this.#bytes > bytes)
      if (!tooOld && !over) break
      this.#bytes -= oldest.size
      this.#kept[this.#head++] = undefined
    }
    if (this.#head * 2 > this.#kept.length && (this.#head > 32 || this.isEmpty)) {
      this.#kept = this.#kept.slice(this.#head)
      this.#head = 0
    }
  }
}

function randomEpoch(): string {
  return Math.floor(Math.random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0')
}
