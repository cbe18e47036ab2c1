import type * as Koa from 'koa'
import { GAP } from '../client/wire.js'
import { isToCome, shown } from '../koa/checks.js'
import type { Message } from '../log/log.js'
import { sizeOf } from '../log/log.js'
import { ChannelError } from './errors.js'

/** A half of a character, with no other half beside it: nothing can carry it as text. */
const half = /\p{Surrogate}/u

/** @internal Every way of the wire, and every log, gives it as it was. */
export function isWhole(text: string): boolean {
  return !half.test(text)
}

/** What `publish()` answers. */
export interface Receipt {
  /** Of the message, unique in the channel; where the next one follows. */
  readonly id: string
  /** How many requests it woke in this process; what several that are published at the same time wake counts once. */
  readonly woken: number
}

/**
 * @throws {ChannelError} 400 `ERR_UNSERIALISABLE` for data that JSON cannot hold; 400 `ERR_INVALID_EVENT`; 413
 *   `ERR_MESSAGE_TOO_LARGE` for more bytes than the backlog keeps
 */
export function messageOf(data: unknown, event: unknown, bytes: number): Message {
  if (event !== undefined && !isName(event)) {
    throw new ChannelError(400, 'ERR_INVALID_EVENT', 'An event is a name of whole characters in one line, or left out')
  }
  if (event === GAP) throw new ChannelError(400, 'ERR_INVALID_EVENT', `The event ${GAP} is the channel's own`)
  const message = event === undefined ? { data: serialised(data) } : { event, data: serialised(data) }
  const size = sizeOf(message)
  if (size > bytes) {
    throw new ChannelError(
      413,
      'ERR_MESSAGE_TOO_LARGE',
      `A message of ${size} bytes is more than the ${bytes} that are kept`,
    )
  }
  return message
}

function isName(event: unknown): event is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that would end a line of an event stream
  return typeof event === 'string' && event !== '' && !/[\r\n\u0000]/.test(event) && isWhole(event)
}

function serialised(data: unknown): string {
  let text: string | undefined
  try {
    if (!isToCome(data)) text = JSON.stringify(data)
  } catch (cause) {
    // a `toJSON` may throw anything
    const reason = cause instanceof Error ? cause.message : 'its toJSON() throws'
    throw new ChannelError(400, 'ERR_UNSERIALISABLE', `The data cannot be written as JSON: ${reason}`, { cause })
  }
  if (text === undefined)
    throw new ChannelError(400, 'ERR_UNSERIALISABLE', `The data cannot be written as JSON: it is ${shown(data)}`)
  return text
}

/** Bytes that a letter may take in JSON: `\u0041`. */
const ESCAPED = 6

/** The body of a request that publishes: what a parser above has made of it, else JSON read here. */
export async function publishedBy(ctx: Koa.Context, bytes: number): Promise<{ data: unknown; event: unknown }> {
  const { body } = ctx.request as { body?: unknown }
  const given = body ?? (await readJson(ctx, bytes))
  if (typeof given !== 'object' || given === null || !('data' in given)) {
    throw new ChannelError(
      400,
      'ERR_INVALID_MESSAGE',
      'A message is published as {"data":…}, with an "event" if it has a name',
    )
  }
  const { data, event } = given as { data: unknown; event?: unknown }
  return { data, event }
}

async function readJson({ req }: Koa.Context, bytes: number): Promise<unknown> {
  // the data may be as long as is kept, with every letter of it escaped, and the rest is the little around it
  const most = bytes * ESCAPED + 4_096
  const chunks: Buffer[] = []
  let size = 0
  // what stands above, and the answer, still need the request
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > most) break
    chunks.push(chunk)
  }
  if (size > most) {
    discardUpTo(req, most)
    throw new ChannelError(413, 'ERR_MESSAGE_TOO_LARGE', `More than the ${bytes} bytes that are kept`)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (cause) {
    throw new ChannelError(400, 'ERR_INVALID_MESSAGE', 'The body is no JSON', { cause })
  }
}

/**
 * Throws away the rest of a body that is too long, so that the connection can take another request. What is longer still is not read:
 * Node closes its connection some seconds after the answer.
 */
function discardUpTo(req: Koa.Context['req'], most: number): void {
  let size = 0
  req.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > most) req.pause()
  })
  req.resume()
}
