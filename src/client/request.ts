import { retryAfter } from './backoff.js'
import { ConnectionError } from './errors.js'
import type { Settings } from './options.js'
import { CURSOR, EVENT_STREAM, WAIT } from './wire.js'

/** One request: the settings, what is asked for, and how what comes is told. */
export interface Asking extends Omit<Settings, 'cursor' | 'wait' | 'signal'> {
  readonly cursor: string | undefined
  /** Seconds, for a poll. */
  readonly wait: number | undefined
  readonly signal: AbortSignal
  /** Resolves when it is aborted. */
  readonly aborted: Promise<unknown>
  /** From now on the request may be silent for so many milliseconds; `Infinity`: for ever. */
  alive(ms: number, code?: string): void
}

/**
 * Asks for a stream or a poll. No two of them are held back by the browser's cache for each other.
 *
 * @param sent called when it is about to be sent
 * @throws {ConnectionError} refused
 */
export async function request(asking: Asking, accept: string, sent?: () => void): Promise<Response> {
  const { url, headers, credentials, fetch, cursor, wait, signal, aborted } = asking
  const target = new URL(url)
  if (cursor !== undefined) target.searchParams.set(CURSOR, cursor)
  if (accept !== EVENT_STREAM && wait !== undefined) target.searchParams.set(WAIT, `${wait}`)
  // a token may never come, and knows nothing of the signal by itself; of what is aborted nothing is sent
  const fields = typeof headers === 'function' ? await Promise.race([headers(), aborted]) : headers
  sent?.()
  const all = new Headers((fields || {}) as ConstructorParameters<typeof Headers>[0])
  all.set('accept', accept)
  const init = { headers: all, credentials, cache: 'no-store', signal }
  const response = await fetch(target, init as RequestInit)
  const { ok, status } = response
  if (ok) return response

  const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null
  const { code = 'ERR_STATUS', message = `The server answered ${status}` } = body?.error ?? {}
  const after = retryAfter(response.headers.get('retry-after'))
  throw new ConnectionError(code, message, { status, retryAfter: after })
}

/** What came is no answer of a channel. */
export function refuse(what: string | null): never {
  throw new ConnectionError('ERR_ANSWER', `No channel answered: ${what}`)
}

/** Gives each piece of the body to `take`, and waits for what it returns. */
export async function read({ body }: Response, take: (text: string) => unknown): Promise<void> {
  const decoder = new TextDecoder()
  const reader = (body as ReadableStream<Uint8Array>).getReader()
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    await take(decoder.decode(value, { stream: true }))
  }
}
