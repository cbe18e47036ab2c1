import type { Position } from '../log.js'
import type { RedisClient } from './client.js'
import { Connection, type ConnectionSettings } from './connection.js'
import { doorbell } from './scripts.js'

export interface DoorbellsOptions extends ConnectionSettings {
  /** The stream of all that is appended, and the count of it. */
  readonly keys: readonly [stream: string, count: string]
  /** A channel has grown up to there. */
  readonly ring: (channel: string, position: Position) => void
  /** Any channel may have grown, or begun anew; and Redis is to know that they are followed. */
  readonly ringAll: () => void
  /** Milliseconds after which Redis forgets what it is not asked of. */
  readonly idle: number
}

/** So many at most come at once. */
const COUNT = 1_000

/**
 * Hears of every channel that grows, by one blocking read over one connection, however many channels there are.
 *
 * The doorbells are counted. Where one is missing, after a lost connection or because this process stood still for longer than
 * Redis keeps them, all ring.
 */
export class Doorbells {
  readonly #options: DoorbellsOptions
  readonly #connection: Connection
  #isHearing = false
  #count = 0
  #allRungAt = 0

  constructor(options: DoorbellsOptions) {
    this.#options = options
    let last = ''
    this.#connection = new Connection({
      ...options,
      greet: async (client) => {
        const [id, count] = (await client.sendCommand(['EVAL', doorbell, '2', ...options.keys])) as [string, number]
        last = id
        this.#count = count
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

  async #hear(client: RedisClient, last: string): Promise<void> {
    const { keys, heartbeat, clock, idle } = this.#options
    for (;;) {
      const ask = ['XREAD', 'COUNT', String(COUNT), 'BLOCK', String(heartbeat), 'STREAMS', keys[0], last]
      const reply = await client.sendCommand(ask)
      if (reply === null) {
        // emptied without a lost connection, and nobody has appended since
        const count = Number(await client.sendCommand(['GET', keys[1]]))
        if (count < this.#count) this.#ringAll()
        this.#count = Math.min(this.#count, count)
      } else last = this.#heard(entriesOf(reply)) ?? last
      if (clock.now() - this.#allRungAt > idle / 4) this.#ringAll()
    }
  }

  #ringAll(): void {
    this.#allRungAt = this.#options.clock.now()
    this.#options.ringAll()
  }

  #heard(entries: readonly Entry[]): string | undefined {
    const grown = new Map<string, Position>()
    let missed = false
    for (const [, fields] of entries) {
      const [, count, , channel = '', , epoch = '', , last] = fields
      missed ||= Number(count) !== this.#count + 1
      this.#count = Number(count)
      grown.set(channel, { epoch, seq: Number(last) })
    }
    if (missed) this.#ringAll()
    for (const [channel, position] of grown) this.#options.ring(channel, position)
    return entries.at(-1)?.[0]
  }
}

type Entry = [id: string, fields: string[]]

/** Of the one stream: a list of streams in the second version of the protocol, a map in the third. */
function entriesOf(reply: unknown): Entry[] {
  const streams = reply as [string, Entry[]][] | Record<string, Entry[]>
  return Array.isArray(streams) ? (streams[0]?.[1] ?? []) : (Object.values(streams)[0] ?? [])
}
