import type Koa from 'koa'
import { Refusal } from './refusal.js'

interface Bounds {
  keyBytes: number
  valueBytes: number
  longest: number
}

/** Reads what a client sent: a POST's JSON, or a GET's query. */
export function inputs({ keyBytes, valueBytes, longest }: Bounds) {
  return {
    /** As JSON, a byte may take six characters; and there is a little around it. */
    bodyLimit: 6 * (keyBytes + valueBytes) + 1_024,

    notReadable({ status = 400, message }: Error & { status?: number }): never {
      const code = status === 413 ? 'ERR_TOO_LARGE' : 'ERR_INVALID_BODY'
      throw new Refusal(status, code, `Cannot read the body: ${message}`)
    },

    keyIn(ctx: Koa.Context): string {
      const { key } = given(ctx)
      if (typeof key !== 'string' || key === '') {
        throw new Refusal(400, 'ERR_INVALID_KEY', `"key" must be a text: got ${shown(key)}`)
      }
      const size = Buffer.byteLength(key)
      if (size > keyBytes) {
        throw new Refusal(413, 'ERR_KEY_TOO_LARGE', `A key may have ${keyBytes} bytes: got ${size}`)
      }
      return key
    },

    /** As JSON. */
    valueIn(ctx: Koa.Context): string {
      const { value } = given(ctx)
      if (value === undefined) throw new Refusal(400, 'ERR_INVALID_VALUE', '"value" is missing: any JSON, null too')
      const json = serialised(value)
      const size = Buffer.byteLength(json)
      if (size > valueBytes) {
        throw new Refusal(413, 'ERR_VALUE_TOO_LARGE', `A value may have ${valueBytes} bytes as JSON: got ${size}`)
      }
      return json
    },

    /** Seconds. */
    waitIn(ctx: Koa.Context): number {
      const { wait = Math.min(30, longest) } = given(ctx)
      const isText = ctx.method !== 'POST' && /^\d+(\.\d+)?$/.test(String(wait))
      const seconds = isText ? Number(wait) : wait
      if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= longest)) {
        const message = `"wait" must be a number of seconds from 0 to ${longest}: got ${shown(wait)}`
        throw new Refusal(400, 'ERR_INVALID_WAIT', message)
      }
      return seconds
    },
  }
}

function given(ctx: Koa.Context): Record<string, unknown> {
  if (ctx.method !== 'POST') return ctx.query
  if (!ctx.is('json')) throw new Refusal(415, 'ERR_NOT_JSON', 'Send JSON, with Content-Type: application/json')
  return ctx.request.body as Record<string, unknown>
}

function serialised(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    // it can be read, and yet it cannot be written
    throw new Refusal(400, 'ERR_INVALID_VALUE', '"value" is nested too deeply')
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'none'
  const text = serialised(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
