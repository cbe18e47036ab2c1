import type { Position, Stored } from '../log.js'
import type { RedisClient } from './client.js'
import { Connection, type ConnectionSettings } from './connection.js'
import { type Entry, unpacked } from './entries.js'
import { DOORBELLS } from './scripts.js'

/** A channel has grown. */
export interface Bell {
  /** Up to there. */
  readonly position: Position
  /** By these, where they came along. */
  readonly messages: readonly Stored[] | undefined
}

export interface DoorbellsOptions extends ConnectionSettings {
  /** The stream of all that is appended. */
  readonly key: string
  readonly ring: (channel: string, bell: Bell) => void
  /** Any channel may have grown, or begun anew; and Redis is to know that they are followed. */
  readonly ringAll: () => void
  /** Milliseconds after which Redis forgets what it is not asked of. */
  readonly idle: number
}

/**
 * Hears of every channel that grows, by one blocking read over one connection, however many channels there are.
 *
 * Where one may be missing, after a lost connection or because this process stood still for longer than Redis keeps them, all
 * ring.
 */
export class Doorbells {
  readonly #options: DoorbellsOptions
  readonly #connection: Connection
  #isHearing = false
  #allRungAt = 0

  constructor(options: DoorbellsOptions) {
    this.#options = options
    let last: Entry = NONE
    this.#connection = new Connection({
      ...options,
      greet: async (client) => {
        last = await newest(client, options.key)
      },
      opened: (client) => {
        this.#isHearing = true
        this.#ringAll()
        // what it fails with, the connection has told
        this.#hear(client, last).catch((error: Error) => this.#connection.drop(error))
      },
      lost: () => {
        this.#isHearing = false
      },
    })
  }

  /** Whatever grows is heard of. */
  get isHearing(): boolean {
    return this.#isHearing
  }

  open(): void {
    this.#connection.open()
  }

  close(): void {
    this.#isHearing = false
    this.#connection.close()
  }

  async #hear(client: RedisClient, last: Entry): Promise<void> {
    const { key, heartbeat, clock, idle } = this.#options
    // is looked for now and then: where it is gone, and fewer have come since than are kept, all is gone
    let seen = last
    let seenAt = clock.now()
    let since = 0
    for (;;) {
      const ask = ['XREAD', 'COUNT', String(DOORBELLS), 'BLOCK', String(heartbeat), 'STREAMS', key, last[0]]
      const reply = await client.sendCommand(ask)
      if (reply !== null) {
        const entries = entriesOf(reply)
        last = this.#heard(entries) ?? last
        since += entries.length
        if (seen === NONE) seen = last
      }
      if (reply === null || since >= DOORBELLS / 2 || clock.now() - seenAt >= heartbeat) {
        // emptied without a lost connection; what was appended since may have no later id
        if (since < DOORBELLS && seen !== NONE && !(await isThere(client, key, seen))) {
          last = await newest(client, key)
          this.#ringAll()
        }
        seen = last
        seenAt = clock.now()
        since = 0
      }
      if (clock.now() - this.#allRungAt > idle / 4) this.#ringAll()
    }
  }

  #ringAll(): void {
    this.#allRungAt = this.#options.clock.now()
    this.#options.ringAll()
  }

  #heard(entries: readonly Entry[]): Entry | undefined {
    const bells = new Map<string, Bell>()
    for (const [, fields] of entries) {
      const [channel = '', epoch = '', seq] = fields
      const position = { epoch, seq: Number(seq) }
      const messages = fields.length > 4 ? unpacked(position.seq, fields, 4) : undefined
      bells.set(channel, both(bells.get(channel), { position, messages }))
    }
    // it may be that there were more, which Redis has dropped
    if (entries.length >= DOORBELLS) this.#ringAll()
    for (const [channel, bell] of bells) this.#options.ring(channel, bell)
    return entries.at(-1)
  }
}

/** Before all others. */
const NONE: Entry = ['0-0', []]

async function newest(client: RedisClient, key: string): Promise<Entry> {
  const [last] = (await client.sendCommand(['XREVRANGE', key, '+', '-', 'COUNT', '1'])) as Entry[]
  return last ?? NONE
}

async function isThere(client: RedisClient, key: string, [id]: Entry): Promise<boolean> {
  const found = (await client.sendCommand(['XRANGE', key, id, id])) as Entry[]
  return found.length > 0
}

/** Two that came one after the other, as one. */
function both(one: Bell | undefined, next: Bell): Bell {
  if (one === undefined) return next
  const { position, messages } = next
  const follows = one.position.epoch === position.epoch && one.position.seq + 1 === messages?.[0]?.seq
  const all = follows && one.messages !== undefined ? [...one.messages, ...messages] : undefined
  return { position, messages: all }
}

/** Of the one stream: a list of streams in the second version of the protocol, a map in the third. */
function entriesOf(reply: unknown): Entry[] {
  const streams = reply as [string, Entry[]][] | Record<string, Entry[]>
  return Array.isArray(streams) ? (streams[0]?.[1] ?? []) : (Object.values(streams)[0] ?? [])
}
