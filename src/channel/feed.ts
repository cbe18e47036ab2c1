import type { Reading } from '../log/log.js'
import { type Batch, batchOf } from './batch.js'
import type { Channel } from './channel.js'
import { type Cursor, formatCursor } from './cursor.js'

/**
 * Reads channels for those that follow them. Who reads the same from the same place between two messages gets the same
 * batch, and so the same bytes: it is read and written out once.
 */
export class Feed {
  /** Names of channels are part of the cursors, and of what is sent. */
  readonly named: boolean
  #batches = new Map<string, Promise<Batch>>()

  constructor(named: boolean) {
    this.named = named
  }

  /** A channel has grown: what was read before is no longer all there is. */
  forget(): void {
    if (this.#batches.size > 0) this.#batches = new Map()
  }

  read(channels: readonly Channel[], cursor: Cursor, bytes: number): Promise<Batch> {
    const from = formatCursor(cursor, true)
    const key = `${bytes} ${from}`
    const known = this.#batches.get(key)
    if (known !== undefined) return known
    const batch = this.#read(channels, cursor, bytes)
    const batches = this.#batches
    batches.set(key, batch)
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
