import { Chain, Chained } from '../../core/chain.js'
import { type Position, type Reading, type Stored, sizeOf } from '../log.js'

/** What came at once, in order. */
class Part extends Chained<Part> {
  readonly of: Recent
  readonly messages: readonly Stored[]
  readonly at: number
  readonly size: number

  constructor(of: Recent, messages: readonly Stored[], at: number) {
    super()
    this.of = of
    this.messages = messages
    this.at = at
    let size = 0
    // near enough to what it takes here
    for (const { data, event } of messages) size += data.length + (event?.length ?? 0)
    this.size = size
  }
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
  readonly #all = new Chain<Part>()
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  get bytes(): number {
    return this.#bytes
  }

  add(part: Part): void {
    this.#all.push(part)
    this.#bytes += part.size
    while (this.#bytes > this.#most) (this.#all.first as Part).of.forgetOldest()
  }

  remove(part: Part): void {
    if (this.#all.delete(part)) this.#bytes -= part.size
  }
}

/** The end of one channel, as far as this process knows it: reads from there need not go to Redis. */
export class Recent {
  readonly #memory: Memory
  readonly #parts = new Row<Part>()
  /** Milliseconds that messages are kept. */
  age = Number.POSITIVE_INFINITY
  #epoch: string | undefined
  #last = 0

  constructor(memory: Memory) {
    this.#memory = memory
  }

  /** Behind the newest message that it knows. */
  get end(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, seq: this.#last }
  }

  /**
   * Takes on what was read from behind its end, and so is all that came after it; or all there is, where there is a gap. Of what
   * has holes only that behind the last one: who reads from before it is to be told of a gap, and Redis says it.
   */
  take({ messages, next, gap }: Reading, now: number): void {
    if (gap !== undefined || this.#epoch === undefined) this.clear()
    this.#epoch = next.epoch
    this.#last = next.seq
    if (messages.length === 0) return
    const part = new Part(this, gap === undefined ? messages : unbroken(messages), now)
    this.#parts.push(part)
    this.#memory.add(part)
  }

  /** @returns undefined where it does not have all that came after the position */
  read({ epoch, seq }: Position, bytes: number, now: number): Reading | undefined {
    while ((this.#parts.at(0)?.at ?? now) + this.age <= now) this.forgetOldest()
    if (epoch !== this.#epoch || seq > this.#last) return undefined
    // most read from near the end
    let place = this.#parts.length
    let first = this.#last + 1
    while (first > seq + 1 && place > 0) first = (this.#parts.at(--place) as Part).messages[0]?.seq as number
    if (first > seq + 1) return undefined
    const messages = this.#from(place, seq + 1 - first, bytes)
    return { messages, next: { epoch, seq: messages.at(-1)?.seq ?? seq } }
  }

  clear(): void {
    while (this.#parts.length > 0) this.forgetOldest()
  }

  forgetOldest(): void {
    const oldest = this.#parts.at(0)
    if (oldest === undefined) return
    this.#parts.shift()
    this.#memory.remove(oldest)
  }

  #from(place: number, skip: number, bytes: number): readonly Stored[] {
    const newest = this.#parts.at(place)?.messages ?? []
    if (skip === 0 && place === this.#parts.length - 1 && bytes === Number.POSITIVE_INFINITY) return newest
    const messages: Stored[] = []
    let read = 0
    for (let at = place; at < this.#parts.length; at++) {
      const { messages: all } = this.#parts.at(at) as Part
      for (let n = at === place ? skip : 0; n < all.length; n++) {
        const message = all[n] as Stored
        if (bytes !== Number.POSITIVE_INFINITY) read += sizeOf(message)
        if (read > bytes && messages.length > 0) return messages
        messages.push(message)
      }
    }
    return messages
  }
}

/** Those behind the last hole. */
function unbroken(messages: readonly Stored[]): readonly Stored[] {
  return messages.slice(messages.findLastIndex(({ seq }, place) => messages[place - 1]?.seq !== seq - 1))
}
