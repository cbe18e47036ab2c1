import { validateHeaderName, validateHeaderValue } from 'node:http'
import { invalid } from '../core/options.js'

/** What says where a response ends: that is for whoever writes its body. */
const framing = /^(?:content-length|transfer-encoding|trailer)$/i

/** @throws {TypeError} `ERR_INVALID_OPTION` for a header that no response can have */
export function checkHeader(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalid(`The header ${name}`, 'a text', value)
  if (framing.test(name)) throw invalid(`The header ${name}`, 'left out, for it comes of the body', value)
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch {
    throw invalid(`The header ${name}`, 'a name and a text of those characters that a head may have', value)
  }
}
