import type { Reading } from '../log/log.js'
import { type Batch, batchOf } from './batch.js'
import type { Channel } from './channel.js'
import { type Cursor, checkCarried, formatCursor, parseCursor } from './cursor.js'
import type { ChannelSettings } from './options.js'

/**
 * So many batches are kept at most: the one that nearly all want, and those of some who lag behind. Each may have the whole
 * backlog written out, and a client may ask from wherever it likes.
 */
const MOST = 16

/** A log does not ring when a message grows too old: so what was read is good for a hundredth of that age, and a second at most. */
const SHARE = 100
const LONGEST = 1_000

interface Looked {
  readonly batch: Promise<Batch>
  /** When it is to be read again. It is not while it is still being read. */
  until: number
}

interface Known {
  readonly bytes: number
  readonly batch: Batch | Promise<Batch>
  readonly until: number
}

/**
 * Reads channels for those that follow them. Who reads the same from the same place between two messages gets the same
 * batch, and so the same bytes: it is read and written out once.
 */
export class Feed {
  /** Names of channels are part of the cursors, and of what is sent. */
  readonly named: boolean
  readonly #now: () => number
  /** Milliseconds. */
  readonly #fresh: number
  #batches = new Map<string, Looked>()
  /** Those that are there, by the very cursor that they were asked for with: the same for all who came by the same way. */
  #known = new Map<Cursor, Known>()
  /** What was parsed last: whoever was told the same comes back with the same. */
  #parsed: { readonly text: string | undefined; readonly names: readonly string[]; readonly cursor: Cursor } | undefined

  constructor(named: boolean, { now, backlog }: Pick<ChannelSettings, 'now' | 'backlog'>) {
    this.named = named
    this.#now = now
    this.#fresh = backlog.age === Number.POSITIVE_INFINITY ? backlog.age : Math.min(backlog.age / SHARE, LONGEST)
  }

  /** A channel has grown: what was read before is no longer all there is. */
  forget(): void {
    // also where they are empty: what is still being read puts itself into those that were there when it began
    this.#batches = new Map()
    this.#known = new Map()
  }

  /** Of what a client sent. @throws {ChannelError} as `parseCursor` does */
  cursorOf(text: string | undefined, names: readonly string[]): Cursor {
    const last = this.#parsed
    if (
      last !== undefined &&
      last.text === text &&
      last.names.length === names.length &&
      last.names.every((name, at) => name === names[at])
    ) {
      return last.cursor
    }
    const cursor = parseCursor(text, names, this.named)
    this.#parsed = { text, names, cursor }
    return cursor
  }

  /** A batch that somebody has read already comes without a promise. */
  read(channels: readonly Channel[], cursor: Cursor, bytes: number): Batch | Promise<Batch> {
    const known = this.#known.get(cursor)
    return known?.bytes === bytes && this.#isGood(known) ? known.batch : this.#lookUp(channels, cursor, bytes)
  }

  #isGood({ until }: { readonly until: number }): boolean {
    return until === Number.POSITIVE_INFINITY || this.#now() < until
  }

  #lookUp(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    // the channel may grow meanwhile, and then nobody looks there any more
    const known = this.#known
    const looked = this.#promised(channels, cursor, bytes)
    const reading = looked.batch
    keep(known, cursor, { bytes, batch: reading, until: Number.POSITIVE_INFINITY })
    const isKept = (): boolean => known.get(cursor)?.batch === reading
    reading.then(
      (batch) => isKept() && known.set(cursor, { bytes, batch, until: looked.until }),
      () => isKept() && known.delete(cursor),
    )
    return reading
  }

  #promised(channels: readonly Channel[], cursor: Cursor, bytes: number): Looked {
    const from = formatCursor(cursor, true)
    const key = `${bytes} ${from}`
    const known = this.#batches.get(key)
    if (known !== undefined && this.#isGood(known)) return known
    const until = this.#now() + this.#fresh
    const looked: Looked = { batch: this.#read(channels, cursor, bytes), until: Number.POSITIVE_INFINITY }
    const batches = this.#batches
    keep(batches, key, looked)
    looked.batch.then(
      ({ news }) => {
        // where there are no messages none can grow too old
        if (news) looked.until = until
      },
      () => batches.delete(key),
    )
    return looked
  }

  async #read(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    const readings = await Promise.all(
      channels.map(async (channel): Promise<[string, Reading]> => {
        const { name, log } = channel
        return [name, await log.read(name, cursor.get(name) ?? 'now', bytes)]
      }),
    )
    const batch = batchOf(readings, cursor, this.named)
    checkCarried(batch.place)
    return batch
  }
}

/** Lets go of the oldest where there are too many. */
function keep<Key, Value>(kept: Map<Key, Value>, key: Key, value: Value): void {
  kept.set(key, value)
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST) return
    kept.delete(oldest)
  }
}
