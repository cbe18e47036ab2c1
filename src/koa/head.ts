import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http'
import { invalid } from '../core/options.js'

/** What stands beside a status where nobody says otherwise. */
export function phraseOf(status: number): string {
  return STATUS_CODES[status] ?? 'unknown'
}

/** What says where a response ends, and what becomes of its connection: that is for whoever writes it. */
const framing = /^(?:connection|content-length|keep-alive|trailer|transfer-encoding|upgrade)$/i

/** @throws {TypeError} `ERR_INVALID_OPTION` for a header that no response can have */
export function checkHeader(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalid(`The header ${name}`, 'a text', value)
  if (framing.test(name)) throw invalid(`The header ${name}`, 'left out: whoever writes the response knows', value)
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch {
    throw invalid(`The header ${name}`, 'a name and a text of those characters that a head may have', value)
  }
}
