import { type ClientClock, wallClock } from './clock.js'
import type { BrowserPage, Page } from './page.js'
import { HOLD } from './wire.js'

/** Where the cursor is kept, such as `sessionStorage`. */
export interface CursorStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

type HeaderFields = Readonly<Record<string, string>>

export interface ConnectOptions {
  /** Where to begin: a cursor from before, or `'0'` for the oldest message kept. Default: from now. */
  cursor?: string | undefined
  /**
   * `'poll'`: a held request for each answer. `'sse'`: one stream. `'auto'`, the default: a stream, and polls from when
   * a stream turned out to be kept back on the way, for 3 s without a byte.
   */
  transport?: 'auto' | 'poll' | 'sse' | undefined
  /** Seconds to ask the server to hold a poll; `0`: it is asked once a second. Default: as the server likes. */
  wait?: number | undefined
  /** Sent with each request, or a function that is asked before each, for a token that is renewed. */
  headers?: HeaderFields | (() => HeaderFields | Promise<HeaderFields>) | undefined
  /** As `fetch` has it. Default `'same-origin'`. */
  credentials?: 'omit' | 'same-origin' | 'include' | undefined
  /** Aborting it is the same as `close()`. */
  signal?: AbortSignal | undefined
  /** Keeps the cursor over page loads; what is in it is preferred to `cursor`. Default: nowhere. */
  storage?: CursorStorage | undefined
  /** Under which name it is kept there. Default: one with the URL. */
  key?: string | undefined
  /**
   * One request for all tabs of a browser that follow the same URL: a leader asks, the others are told. A string sets
   * apart those who may not see the same, such as two users. Default `false`. It does nothing where there is no
   * `navigator.locks`, as outside of HTTPS and localhost.
   */
  share?: boolean | string | undefined
  /**
   * Milliseconds without a byte after which a request is given up and asked again; `Infinity`: never. Default: 10 s more
   * than `wait`, or than the 25 s that a server holds; of a stream at least 35 s, two heartbeats and a little more.
   */
  deadline?: number | undefined
  /**
   * After a failure the next request comes at any moment up to `base` milliseconds later, doubled with each failure in
   * a row, up to `max`; never before a second has passed since the last, nor before a `Retry-After`. Default
   * 1 000 and 30 000.
   */
  retry?: { base?: number | undefined; max?: number | undefined } | undefined
  /** Default: the global one. */
  fetch?: typeof globalThis.fetch | undefined
  /** From 0 to below 1. Default `Math.random`. */
  random?: (() => number) | undefined
  /** Default: the time on the wall. */
  clock?: ClientClock | undefined
  /** The page with its events, document, locks and broadcasts. Default `globalThis`; each part may be missing. */
  page?: Page | undefined
}

/** What each option may be, as `typeof` has it, or the very values. */
const kinds: Record<keyof ConnectOptions, string> = {
  cursor: 'string',
  transport: '"auto" "poll" "sse"',
  wait: 'number',
  headers: 'object function',
  credentials: '"omit" "same-origin" "include"',
  signal: 'object',
  storage: 'object',
  key: 'string',
  share: 'boolean string',
  deadline: 'number',
  retry: 'object',
  fetch: 'function',
  random: 'function',
  clock: 'object',
  page: 'object',
}

export type Settings = ReturnType<typeof settingsOf>

/**
 * @throws {TypeError} an option of the wrong type, or one that is not known: `ERR_INVALID_OPTION`
 * @throws {RangeError} a number that is negative, or not a number of seconds: the same code
 */
export function settingsOf(address: string | URL, options: ConnectOptions) {
  check(options, kinds)
  const { wait, cursor, headers, credentials = 'same-origin', signal, storage, share, retry = {} } = options
  check(retry, { base: 'number', max: 'number' })
  const { transport = 'auto', fetch = globalThis.fetch, random = Math.random, clock = wallClock } = options
  const { base = 1_000, max = 30_000 } = retry
  const page = (options.page ?? globalThis) as BrowserPage
  if (wait === Number.POSITIVE_INFINITY) refuse(RangeError, 'wait', 'finite', wait)
  let url: URL
  try {
    url = new URL(address, page.document?.baseURI ?? page.location?.href)
  } catch {
    refuse(TypeError, 'url', 'a URL', address)
  }
  const { deadline = (wait === undefined ? HOLD : wait * 1_000) + 10_000, key = `koa-continuation ${url}` } = options
  return {
    url,
    cursor,
    transport,
    wait,
    headers,
    credentials,
    signal,
    storage,
    key,
    share,
    deadline,
    fetch,
    random,
    clock,
    page,
    quiet: options.deadline ?? Math.max(deadline, 35_000),
    retry: { base, max },
  }
}

function check(options: object, kinds: Record<string, string>): void {
  if (typeof options !== 'object' || !options) refuse(TypeError, 'options', 'object', options)
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name]
    if (!kind) refuse(TypeError, name, `one of ${Object.keys(kinds)}`, value)
    if (value === undefined) continue
    const shown = kind[0] === '"' ? JSON.stringify(value) : value === null ? 'null' : typeof value
    if (!kind.split(' ').includes(shown) || Number.isNaN(value)) refuse(TypeError, name, kind, value)
    if (value < 0) refuse(RangeError, name, 'at least 0', value)
  }
}

function refuse(Refusal: typeof TypeError | typeof RangeError, name: string, expected: string, got: unknown): never {
  throw Object.assign(new Refusal(`${name} must be ${expected}: got ${got}`), { code: 'ERR_INVALID_OPTION' })
}
