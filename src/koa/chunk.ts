import { ServerResponse } from 'node:http'
import type * as Koa from 'koa'

/** A piece of a response that many get, made once. */
export class Chunk {
  readonly bytes: Buffer
  #framed: Buffer | undefined

  constructor(text: string) {
    this.bytes = Buffer.from(text)
  }

  /** As it goes out in the chunked coding of HTTP/1.1: Node would write it in four parts each time. */
  get framed(): Buffer {
    this.#framed ??= Buffer.concat([Buffer.from(`${this.bytes.length.toString(16)}\r\n`), this.bytes, end])
    return this.#framed
  }
}

const end = Buffer.from('\r\n')

/** What tells by `drain` that it takes more. */
export interface Full {
  once(event: 'drain', listener: () => void): unknown
}

/**
 * Writes to a response that has begun and has not ended. Where somebody has put a `write` of its own there, by that.
 *
 * @returns what takes nothing more for now, if anything
 */
export function writeChunk(res: Koa.Context['res'], chunk: Chunk): Full | undefined {
  const { socket } = res
  // a chunk of no length would end the response; of a client that has said that it is leaving the socket takes no more
  if (
    chunk.bytes.length === 0 ||
    !socket?.writable ||
    !res.chunkedEncoding ||
    res.write !== ServerResponse.prototype.write ||
    res.writableCorked > 0
  ) {
    return write(res, chunk.bytes)
  }
  return socket.write(chunk.framed) ? undefined : socket
}

/** The same for what is written once. */
export function write(res: Koa.Context['res'], part: string | Buffer): Full | undefined {
  // many a `write` that middleware puts there passes on what it is given, and gives nothing back
  const takesMore = (res.write(part) as boolean | undefined) ?? !res.writableNeedDrain
  return takesMore ? undefined : res
}
