import { OLDEST } from '../client/wire.js'
import type { After, Position } from '../log/log.js'
import { ChannelError } from './errors.js'

/**
 * Where a reader stands in each channel that it follows. Opaque to clients; fit for a header and an ETag as it is.
 *
 * Of one channel's own subscriber it is `epoch-number`, fit for a query, too; where a request may follow several it is
 * `name:epoch-number,…` with the names encoded already, and goes into a query encoded once more.
 */
export type Cursor = ReadonlyMap<string, After>

/** Longer than any that was ever given out for a reasonable number of channels. */
const LONGEST = 16_384

/** Bytes in a query. Node takes 16 KiB as the whole head of a request: the rest is for the path, cookies and all else. */
const CARRIED = 12_288

/**
 * Looks whether a client can come back with this cursor, in whichever way. One that could not would be refused by its server
 * then, and not know why.
 *
 * @throws {ChannelError} 400 `ERR_CURSOR_TOO_LONG`
 */
export function checkCarried(cursor: string): void {
  // a letter of it takes three bytes at most
  if (cursor.length * 3 <= CARRIED) return
  const { length } = encodeURIComponent(cursor)
  if (length <= CARRIED) return
  const message = `The cursor of these channels has ${length} bytes in a query, and ${CARRIED} at most can be carried`
  throw new ChannelError(400, 'ERR_CURSOR_TOO_LONG', `${message}: follow fewer at once, or give them shorter names`)
}

/** @param named whether the names of the channels are part of it */
export function formatCursor(cursor: Cursor, named: boolean): string {
  const texts: string[] = []
  for (const [name, after] of cursor) {
    const place = typeof after === 'string' ? after : `${after.epoch}-${after.seq}`
    texts.push(named ? `${encodeURIComponent(name)}:${place}` : place)
  }
  return texts.join(',')
}

/**
 * Reads what a client sent. A channel that it does not name is followed from now; one that is not followed is left out.
 *
 * @param text nothing for from now, `0` for the oldest kept
 * @throws {ChannelError} 400 `ERR_INVALID_CURSOR`
 */
export function parseCursor(text: string | undefined, names: readonly string[], named: boolean): Cursor {
  if (text === undefined || text === '') return new Map(names.map((name) => [name, 'now']))
  if (text === OLDEST) return new Map(names.map((name) => [name, 'oldest']))
  if (text.length > LONGEST) throw malformed(text)
  const given = new Map<string, Position>()
  for (const part of named ? text.split(',') : [`${encodeURIComponent(names[0] as string)}:${text}`]) {
    const [, name, epoch, seq] = /^([^:]+):(\w{1,64})-(\d{1,15})$/.exec(part) ?? []
    if (name === undefined || epoch === undefined) throw malformed(text)
    given.set(decoded(name, text), { epoch, seq: Number(seq) })
  }
  return new Map(names.map((name) => [name, given.get(name) ?? 'now']))
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    throw malformed(text)
  }
}

function malformed(text: string): ChannelError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  return new ChannelError(400, 'ERR_INVALID_CURSOR', `This is no cursor of this channel: ${JSON.stringify(shown)}`)
}
