import type { Reading } from '../log/log.js'
import { type Batch, batchOf } from './batch.js'
import type { Channel } from './channel.js'
import { type Cursor, formatCursor, parseCursor } from './cursor.js'

/**
 * So many batches are kept at most: the one that nearly all want, and those of some who lag behind. Each may have the whole
 * backlog written out, and a client may ask from wherever it likes.
 */
const MOST = 16

/**
 * Reads channels for those that follow them. Who reads the same from the same place between two messages gets the same
 * batch, and so the same bytes: it is read and written out once.
 */
export class Feed {
  /** Names of channels are part of the cursors, and of what is sent. */
  readonly named: boolean
  #batches = new Map<string, Promise<Batch>>()
  /** Those that are there, by the very cursor that they were asked for with: the same for all who came by the same way. */
  #known = new Map<Cursor, { readonly bytes: number; readonly batch: Batch | Promise<Batch> }>()
  /** What was parsed last: whoever was told the same comes back with the same. */
  #parsed: { readonly text: string | undefined; readonly names: readonly string[]; readonly cursor: Cursor } | undefined

  constructor(named: boolean) {
    this.named = named
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
    return known?.bytes === bytes ? known.batch : this.#lookUp(channels, cursor, bytes)
  }

  #lookUp(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    // the channel may grow meanwhile, and then nobody looks there any more
    const known = this.#known
    const reading = this.#promised(channels, cursor, bytes)
    keep(known, cursor, { bytes, batch: reading })
    const isKept = (): boolean => known.get(cursor)?.batch === reading
    reading.then(
      (batch) => isKept() && known.set(cursor, { bytes, batch }),
      () => isKept() && known.delete(cursor),
    )
    return reading
  }

  #promised(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    const from = formatCursor(cursor, true)
    const key = `${bytes} ${from}`
    const known = this.#batches.get(key)
    if (known !== undefined) return known
    const batch = this.#read(channels, cursor, bytes)
    const batches = this.#batches
    keep(batches, key, batch)
    batch.catch(() => batches.delete(key))
    return batch
  }

  async #read(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    const readings = await Promise.all(
      channels.map(async (channel): Promise<[string, Reading]> => {
        const { name, log } = channel
        return [name, await log.read(name, cursor.get(name) ?? 'now', bytes)]
      }),
    )
    return batchOf(readings, cursor, this.named)
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
