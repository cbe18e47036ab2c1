import type { Position, Reading, Stored } from '../log.js'
import { sizeOf } from '../log.js'

interface Kept extends Stored {
  readonly at: number
  readonly size: number
  readonly of: Recent
  isGone: boolean
}

/** First in, first out. What was taken leaves holes at the front, until they are half of it. */
class Row<Item> {
  #items: (Item | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  at(place: number): Item | undefined {
    return this.#items[this.#head + place]
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): void {
    this.#items[this.#head++] = undefined
    if (this.#head < 32 || this.#head * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}

/** The newest messages of all channels that are followed, up to so many bytes. The oldest go first, of whatever channel. */
export class Memory {
  readonly #most: number
  readonly #all = new Row<Kept>()
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  get bytes(): number {
    return this.#bytes
  }

  add(kept: Kept): void {
    this.#all.push(kept)
    this.#bytes += kept.size
    while (this.#bytes > this.#most) {
      const oldest = this.#all.at(0) as Kept
      this.#all.shift()
      if (!oldest.isGone) oldest.of.forgetOldest()
    }
  }

  remove(kept: Kept): void {
    kept.isGone = true
    this.#bytes -= kept.size
  }
}

/** The end of one channel, as far as this process knows it: reads from there need not go to Redis. */
export class Recent {
  readonly #memory: Memory
  readonly #kept = new Row<Kept>()
  #epoch: string | undefined
  #last = 0
  /** Milliseconds that messages are kept. */
  #age = Number.POSITIVE_INFINITY

  constructor(memory: Memory) {
    this.#memory = memory
  }

  /** Behind the newest message that it knows. */
  get end(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, seq: this.#last }
  }

  /** Takes on what was read from behind its end, and so is all that came after it; or all there is, where there is a gap. */
  take({ messages, next, gap }: Reading, age: number, now: number): void {
    if (gap !== undefined || this.#epoch === undefined) this.clear()
    this.#epoch = next.epoch
    this.#age = age
    for (const message of messages) this.#add(message, now)
    this.#last = next.seq
  }

  /** @returns undefined where it does not have all that came after the position */
  read({ epoch, seq }: Position, bytes: number, now: number): Reading | undefined {
    while ((this.#kept.at(0)?.at ?? now) + this.#age <= now) this.forgetOldest()
    const place = this.#kept.length - (this.#last - seq)
    if (epoch !== this.#epoch || place < 0 || seq > this.#last) return undefined
    const messages: Stored[] = []
    let read = 0
    for (let at = place; at < this.#kept.length; at++) {
      const { seq, event, data, size } = this.#kept.at(at) as Kept
      read += size
      if (read > bytes && messages.length > 0) break
      messages.push(event === undefined ? { seq, data } : { seq, event, data })
    }
    return { messages, next: { epoch, seq: messages.at(-1)?.seq ?? seq } }
  }

  clear(): void {
    while (this.#kept.length > 0) this.forgetOldest()
  }

  forgetOldest(): void {
    const oldest = this.#kept.at(0)
    if (oldest === undefined) return
    this.#kept.shift()
    this.#memory.remove(oldest)
  }

  #add(message: Stored, now: number): void {
    const kept: Kept = { ...message, at: now, size: sizeOf(message), of: this, isGone: false }
    this.#kept.push(kept)
    this.#memory.add(kept)
  }
}
