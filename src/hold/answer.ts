import { checkCount, checkOptions, checkRange, invalid, isToCome } from '../core/options.js'
import type { BareAnswer } from '../koa/bare-connection.js'
import { checkHeader } from '../koa/head.js'

/** What everybody is answered. */
export interface PlainAnswer {
  /** Default 200, or 204 where there is no body. */
  status?: number | undefined
  /** Headers by name, beside those of the type and the length. */
  headers?: Readonly<Record<string, string>> | undefined
  /** A text, bytes, or whatever JSON can hold; no stream and no promise. Default no body; 204 and 304 never have one. */
  body?: unknown
}

/** An answer as it goes out, made once for all. */
export type Prepared = BareAnswer

/** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range, and for a body that JSON cannot hold */
export function prepare(of: string, answer: PlainAnswer): Prepared {
  checkOptions(of, answer, ['status', 'headers', 'body'])
  const { body: given, headers = {} } = answer
  const { status = given === undefined ? 204 : 200 } = answer
  checkRange('status', status, 200, 599)
  checkCount('status', status)
  // what has entries of its own has no names to read
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw invalid('headers', 'an object of texts', headers)
  }
  const never = status === 204 || status === 304
  const { body, type } = bodyOf(never ? undefined : given)
  const lines: string[] = []
  let typed = false
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(name, value)
    typed ||= name.toLowerCase() === 'content-type'
    lines.push(name, value)
  }
  if (type !== undefined && !typed) lines.push('Content-Type', type)
  // where there is none it is said too: else a client waits for a body until the connection closes
  if (!never) lines.push('Content-Length', String(Buffer.byteLength(body ?? '')))
  return { status, headers: lines, body, sent: undefined }
}

function bodyOf(body: unknown): { body: Prepared['body']; type?: string } {
  if (body === undefined) return { body: undefined }
  if (typeof body === 'string') return { body, type: 'text/plain; charset=utf-8' }
  if (body instanceof Uint8Array) return { body, type: 'application/octet-stream' }
  let json: string | undefined
  try {
    if (!isToCome(body)) json = JSON.stringify(body)
  } catch {}
  if (json === undefined) throw invalid('body', 'a text, bytes, or what JSON can hold, and all of it here', body)
  return { body: json, type: 'application/json; charset=utf-8' }
}
