import type * as Koa from 'koa'
import { CURSOR, EVENT_STREAM, WAIT } from '../client/wire.js'
import { ChannelError } from './errors.js'

/** What a subscriber asks for. */
export interface Asked {
  /** How it wants to be answered. */
  readonly way: 'poll' | 'events' | 'lines'
  /** Milliseconds it is willing to wait; `undefined` leaves it to the server. */
  readonly wait: number | undefined
  /** It said so by `Prefer: wait=…`, and is told what came of it. */
  readonly prefers: boolean
  /** Where it reads on, as it says. */
  readonly cursor: string | undefined
}

/** @throws {ChannelError} 400 `ERR_INVALID_WAIT` */
export function askedBy(ctx: Koa.Context): Asked {
  // Koa keeps what it has parsed for as long as the request
  const query = new URLSearchParams(ctx.querystring)
  const wait = query.get(WAIT)
  const preferred = wait === null ? preferredWait(ctx.get('prefer')) : undefined
  return {
    way: wayOf(ctx),
    wait: wait === null ? preferred : secondsOf(wait),
    prefers: preferred !== undefined,
    // a browser's EventSource repeats the query that it was opened with whenever it comes back
    cursor: ctx.get('last-event-id') || (query.get(CURSOR) ?? etagOf(ctx.get('if-none-match'))),
  }
}

function wayOf(ctx: Koa.Context): Asked['way'] {
  const { accept } = ctx.headers
  // what accepts anything, as curl and fetch do, gets plain JSON
  if (accept === undefined || accept === '*/*') return 'poll'
  if (accept === EVENT_STREAM) return 'events'
  switch (ctx.accepts('application/json', EVENT_STREAM, 'application/x-ndjson')) {
    case EVENT_STREAM:
      return 'events'
    case 'application/x-ndjson':
      return 'lines'
    default:
      return 'poll'
  }
}

function secondsOf(text: string): number {
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text)) {
    throw new ChannelError(
      400,
      'ERR_INVALID_WAIT',
      `wait must be a number of seconds: got ${JSON.stringify(text.slice(0, 40))}`,
    )
  }
  return Number(text) * 1_000
}

/** RFC 7240: a preference that cannot be understood is not there. */
function preferredWait(header: string): number | undefined {
  const [, seconds] = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(header) ?? []
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

/**
 * The first of a list. What a proxy that compresses may have put there is taken off: the mark of a weak validator, as nginx does, or
 * the name of the coding, as Apache does in `"…-7-gzip"`. A cursor ends with a number. Without quotes it is what it is: who forgets
 * them reads on, too, or hears that it is no cursor, and is not followed from now.
 */
function etagOf(header: string): string {
  const [, tag = header] = /^\s*(?:W\/)?"([^"]*?)(?:--?[a-z]{1,9})?"/.exec(header) ?? []
  return tag
}
