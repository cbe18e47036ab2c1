import type { After, Reading } from '../log.js'

/** So many answers are on their way at most, for their size is up to the backlog. */
const AT_ONCE = 16

/** Reads over a port: those that ask for the same at the same time share one, and only some are under way at once. */
export class Reads {
  readonly #read: (channel: string, after: After, bytes: number) => Promise<Reading>
  readonly #shared = new Map<string, Map<string, Promise<Reading>>>()
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(read: (channel: string, after: After, bytes: number) => Promise<Reading>) {
    this.#read = read
  }

  read(channel: string, after: After, bytes: number): Promise<Reading> {
    const key = typeof after === 'string' ? `${bytes} ${after}` : `${bytes} ${after.epoch}-${after.seq}`
    let shared = this.#shared.get(channel)
    const same = shared?.get(key)
    if (same !== undefined) return same
    if (shared === undefined) {
      shared = new Map()
      this.#shared.set(channel, shared)
    }
    const among = shared
    const reading = this.#inTurn(() => this.#read(channel, after, bytes)).finally(() => {
      among.delete(key)
      if (among.size === 0 && this.#shared.get(channel) === among) this.#shared.delete(channel)
    })
    shared.set(key, reading)
    return reading
  }

  /** The channel has grown: who reads from now on must not get what was asked for before. */
  forget(channel: string): void {
    this.#shared.delete(channel)
  }

  async #inTurn(read: () => Promise<Reading>): Promise<Reading> {
    if (this.#underWay >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#underWay++
    try {
      return await read()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }
}
