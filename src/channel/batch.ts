import { GAP } from '../client/wire.js'
import { Chunk } from '../koa/chunk.js'
import type { Reading, Stored } from '../log/log.js'
import { type Cursor, formatCursor } from './cursor.js'

/** What a reader is told at once, in each way of the wire. Written out when it is first asked for. */
export interface Batch {
  /** Where to read on. */
  readonly cursor: Cursor
  /** The same, as clients know it. */
  readonly place: string
  /** Where its first message follows, as clients know it. */
  readonly start: string
  /** Something may have been missed before it. */
  readonly gap: boolean
  /** There is something to tell. */
  readonly news: boolean
  /** The answer to a poll. */
  readonly json: Buffer
  /** As server-sent events. */
  readonly events: Chunk
  /** As newline-delimited JSON. */
  readonly lines: Chunk
}

interface Item extends Stored {
  readonly channel: string
  /** Of the message. */
  readonly id: string
  /** Where a reader stands behind it. */
  readonly place: string
}

/** @param named whether clients are told of which channel a message is */
export function batchOf(readings: readonly [string, Reading][], from: Cursor, named: boolean): Batch {
  const cursor = new Map(from)
  const items: Item[] = []
  let gap = false
  for (const [channel, { messages, next, gap: missed }] of readings) {
    gap ||= missed !== undefined
    // who is cut off between the gap and its first message must find that message again
    cursor.set(channel, { epoch: next.epoch, seq: (messages[0]?.seq ?? next.seq + 1) - 1 })
  }
  const start = formatCursor(cursor, named)
  for (const [channel, { messages, next }] of readings) {
    for (const message of messages) {
      cursor.set(channel, { epoch: next.epoch, seq: message.seq })
      items.push({
        ...message,
        data: inOneLine(message.data),
        channel,
        id: `${next.epoch}-${message.seq}`,
        place: formatCursor(cursor, named),
      })
    }
    cursor.set(channel, next)
  }
  return new Written(items, cursor, start, formatCursor(cursor, named), gap, named)
}

/** Line breaks mean nothing in JSON but between its parts: whoever appends to a log by itself may have put them there. */
function inOneLine(data: string): string {
  return data.includes('\n') || data.includes('\r') ? data.replace(/[\r\n]+/g, ' ') : data
}

class Written implements Batch {
  readonly news: boolean
  readonly cursor: Cursor
  readonly start: string
  readonly place: string
  readonly gap: boolean
  readonly #named: boolean
  readonly #items: readonly Item[]
  #json: Buffer | undefined
  #events: Chunk | undefined
  #lines: Chunk | undefined

  constructor(items: readonly Item[], cursor: Cursor, start: string, place: string, gap: boolean, named: boolean) {
    this.#items = items
    this.cursor = cursor
    this.start = start
    this.place = place
    this.gap = gap
    this.news = gap || items.length > 0
    this.#named = named
  }

  get json(): Buffer {
    if (this.#json === undefined) {
      const messages = this.#items.map((item) => this.#message(item)).join(',')
      const gap = this.gap ? ',"gap":true' : ''
      this.#json = Buffer.from(`{"cursor":${JSON.stringify(this.place)},"messages":[${messages}]${gap}}`)
    }
    return this.#json
  }

  get events(): Chunk {
    this.#events ??= new Chunk(
      this.#withGap(
        (place) => `id: ${place}\nevent: ${GAP}\ndata: {"gap":true}\n\n`,
        ({ place, event, data, channel }) => {
          const kind = event === undefined ? '' : `event: ${event}\n`
          const text = this.#named ? `{"channel":${JSON.stringify(channel)},"data":${data}}` : data
          return `id: ${place}\n${kind}data: ${text}\n\n`
        },
      ),
    )
    return this.#events
  }

  get lines(): Chunk {
    this.#lines ??= new Chunk(
      this.#withGap(
        (place) => `{"gap":true,"cursor":${JSON.stringify(place)}}\n`,
        (item) => `${this.#message(item, this.#named)}\n`,
      ),
    )
    return this.#lines
  }

  #withGap(ofGap: (place: string) => string, ofItem: (item: Item) => string): string {
    return (this.gap ? ofGap(this.start) : '') + this.#items.map(ofItem).join('')
  }

  #message({ id, event, channel, data, place }: Item, withCursor = false): string {
    const kind = event === undefined ? '' : `,"event":${JSON.stringify(event)}`
    const where = this.#named ? `,"channel":${JSON.stringify(channel)}` : ''
    const cursor = withCursor ? `,"cursor":${JSON.stringify(place)}` : ''
    return `{"id":"${id}"${kind}${where}${cursor},"data":${data}}`
  }
}
