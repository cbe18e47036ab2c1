import { type ClientClock, FOREVER, systemClock } from './clock.js'
import type { BrowserPage, Page } from './page.js'
import { HOLD, QUIET } from './wire.js'

/** Where the cursor is kept, such as `sessionStorage`. */
export interface CursorStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

type HeaderFields = Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]>

/** How a channel is followed by `connect()`. */
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
  /**
   * Sent with each request: an object, `Headers` or pairs, as `fetch` takes them. Or a function that is asked before each,
   * for a token that is renewed.
   */
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
   * `navigator.locks`, as outside of HTTPS and localhost, or where the page may not use it or broadcast.
   */
  share?: boolean | string | undefined
  /**
   * Milliseconds without a byte after which a request is given up and asked again, at least 1; `Infinity`: never. Default:
   * 10 s more than `wait`, or than the 25 s that a server holds; of a stream at least 35 s, two heartbeats and a little more.
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
  /** Default: the machine's own time. */
  clock?: ClientClock | undefined
  /** The page with its events, document, locks and broadcasts. Default `globalThis`; each part may be missing. */
  page?: Page | undefined
}

/** What an option may be: as `typeof` has it and with these methods, or one of these values. */
type Kind = string | readonly unknown[]

const kinds: Record<keyof ConnectOptions, Kind> = {
  cursor: 'string',
  key: 'string',
  share: 'boolean string',
  transport: ['auto', 'poll', 'sse'],
  credentials: ['omit', 'same-origin', 'include'],
  wait: 'number',
  deadline: 'number',
  headers: 'object function',
  fetch: 'function',
  random: 'function',
  signal: 'object with addEventListener',
  storage: 'object with getItem setItem',
  clock: 'object with now setTimeout clearTimeout',
  retry: 'object',
  page: 'object',
}

/** The options with what they are by default. */
export interface Settings extends Given<ConnectOptions> {
  readonly url: URL
  readonly transport: 'auto' | 'poll' | 'sse'
  readonly key: string
  readonly deadline: number
  /** The deadline of a stream. */
  readonly quiet: number
  readonly retry: { readonly base: number; readonly max: number }
  readonly fetch: typeof globalThis.fetch
  readonly random: () => number
  readonly clock: ClientClock
  readonly page: BrowserPage
}

/** Without those that are there and yet `undefined`. */
type Given<Options> = { readonly [Name in keyof Options]?: Exclude<Options[Name], undefined> }

/**
 * @throws {TypeError} an option of the wrong type or without what is called of it, or one that is not known:
 *   `ERR_INVALID_OPTION`
 * @throws {RangeError} a number that is negative, a `deadline` of nothing, or a `wait` for ever: the same code
 */
export function settingsOf(address: string | URL, options: ConnectOptions): Settings {
  const given = checked('options', options, kinds)
  const { wait = HOLD / 1_000 } = given
  const page = (given.page ?? globalThis) as BrowserPage
  if (wait === FOREVER) refuse(RangeError, 'wait', 'finite', wait)
  const base = page.document?.baseURI ?? page.location?.href
  let url: URL
  try {
    url = new URL(address, base)
  } catch {
    refuse(TypeError, 'url', 'a URL', address)
  }
  const deadline = (wait + 10) * 1_000
  return {
    transport: 'auto',
    key: `koa-continuation ${url}`,
    deadline,
    quiet: given.deadline ?? Math.max(deadline, QUIET),
    fetch: globalThis.fetch,
    random: Math.random,
    clock: systemClock,
    ...given,
    retry: { base: 1_000, max: 30_000, ...checked('retry', given.retry ?? {}, { base: 'number', max: 'number' }) },
    url,
    page,
  }
}

function checked<Options extends object>(
  of: string,
  options: Options,
  kinds: Record<keyof Options, Kind>,
): Given<Options> {
  // a list and a map are objects, too, and have no options by name
  if ({}.toString.call(options) !== '[object Object]') refuse(TypeError, of, 'an object', options)
  const given: Record<string, unknown> = { __proto__: null, ...options }
  for (const name in given) {
    const value = given[name]
    const kind = kinds[name as keyof Options]
    // it may have the name of what every object has
    if (!kind?.includes) refuse(TypeError, 'option', `one of ${Object.keys(kinds)}`, name)
    const is = value === null || typeof kind !== 'string' ? value : typeof value
    // the third word and those behind it are methods
    const lacks = `${kind}`
      .split(' ')
      .some((word, place) => place > 1 && !(value as Record<string, (() => unknown) | undefined> | null)?.[word]?.call)
    // no request can be answered in no time
    const least = +(name === 'deadline')
    if (value === undefined) delete given[name]
    else if (!kind.includes(is as string) || lacks || Number.isNaN(value)) refuse(TypeError, name, kind, value)
    else if (kind === 'number' && (value as number) < least) refuse(RangeError, name, `at least ${least}`, value)
  }
  return given as Given<Options>
}

function refuse(Refusal: new (message: string) => Error, name: string, expected: unknown, got: unknown): never {
  const shown = Object(got) === got ? {}.toString.call(got) : String(got)
  throw Object.assign(new Refusal(`${name} must be ${expected}: got ${shown}`), { code: 'ERR_INVALID_OPTION' })
}
