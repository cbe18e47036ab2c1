import type Koa from 'koa'
import type { Backlog, Log, Reading } from 'koa-continuation'
import { type Following, follow } from './follow.js'
import type { Hall } from './hall.js'

/** A sign of life, in a channel of their own: whom a server has seen, and who is about to go. */
interface Sign {
  readonly by: string
  readonly here?: readonly string[]
  readonly going?: string
}

interface Seen {
  at: number
  by: string
}

const CHANNEL = 'signs'
const kept: Backlog = { messages: 100, bytes: 100_000, age: 60_000 }

/**
 * Who is still here. A request that ends is nobody who leaves: it may be a poll whose next one comes to another server, a
 * stream that was cut, a page that is loaded anew.
 *
 * So at every beat each server says whom it has seen since the last, and all of them hear it. Who was not seen by any for
 * three beats has left.
 */
export class Presence {
  readonly #hall: Hall
  readonly #log: Log
  readonly #beat: number
  readonly #by = crypto.randomUUID()
  /** With requests here: how many. One that has none any more stays until the next beat. */
  readonly #own = new Map<string, number>()
  readonly #seen = new Map<string, Seen>()
  /** Who has said so, and has not come back. */
  readonly #going = new Set<string>()
  /** From when on signs can have come. */
  #since = performance.now()
  #timer: NodeJS.Timeout | undefined
  #following: Following | undefined

  /** @param beat milliseconds */
  constructor(hall: Hall, log: Log, beat: number) {
    this.#hall = hall
    this.#log = log
    this.#beat = beat
  }

  begin(): void {
    this.#following = follow(this.#log, CHANNEL, 'now', (reading) => this.#hear(reading))
    let due = performance.now() + this.#beat
    this.#timer = setInterval(() => {
      const late = performance.now() - due
      due = performance.now() + this.#beat
      // this process itself stood still, and has heard nothing meanwhile
      if (late > this.#beat) this.#since = performance.now()
      this.#beats()
    }, this.#beat)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#following?.stop()
  }

  /** Somebody's request is here, until it is over. */
  holds(ctx: Koa.Context, id: string): void {
    this.#going.delete(id)
    this.#own.set(id, (this.#own.get(id) ?? 0) + 1)
    ctx.res.once('close', () => {
      this.#own.set(id, Math.max(0, (this.#own.get(id) ?? 1) - 1))
    })
  }

  /** Somebody says that it may go. Who comes back at once has not been away. */
  async going(id: string): Promise<void> {
    await this.#sign({ by: this.#by, going: id })
  }

  #beats(): void {
    const { people } = this.#hall
    const isHere = ([id, count]: [string, number]): boolean => count > 0 || !this.#going.has(id)
    const here = [...this.#own].filter(isHere).flatMap(([id]) => (people[id] === undefined ? [] : [id]))
    for (const [id, count] of this.#own) if (count === 0) this.#own.delete(id)
    // where the log is away nobody's sign can come, so nobody's time runs
    const failed = (): void => {
      this.#since = performance.now()
    }
    if (here.length > 0) this.#sign({ by: this.#by, here }).catch(failed)
    this.#missAll().catch(failed)
  }

  async #missAll(): Promise<void> {
    const now = performance.now()
    for (const id of Object.keys(this.#hall.people)) {
      const { at, by } = this.#sight(id, now)
      // the one that saw it last says so first; the others are there for when that one has ended
      const beats = by === this.#by ? 3 : 5
      if (now - Math.max(at, this.#since) < beats * this.#beat) continue
      this.#seen.delete(id)
      this.#going.delete(id)
      await this.#hall.publish({ event: 'leave', data: { id, at: Date.now() } })
    }
  }

  /** Somebody who is here, and of whom there was no sign yet, was seen just now. */
  #sight(id: string, now: number): Seen {
    let seen = this.#seen.get(id)
    if (seen === undefined) {
      seen = { at: now, by: '' }
      this.#seen.set(id, seen)
    }
    return seen
  }

  #hear({ messages }: Reading): void {
    const now = performance.now()
    for (const { data } of messages) {
      const { by, here = [], going } = JSON.parse(data) as Sign
      for (const id of here) this.#seen.set(id, { at: now, by })
      // one more beat for whoever comes back
      if (going === undefined) continue
      this.#seen.set(going, { at: now - 2 * this.#beat, by })
      this.#going.add(going)
    }
  }

  async #sign(sign: Sign): Promise<void> {
    await this.#log.append(CHANNEL, { data: JSON.stringify(sign) }, kept)
  }
}
