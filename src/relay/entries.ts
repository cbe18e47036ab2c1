import { InvalidTypeError } from '../core/errors.js'
import { invalid, shown } from '../core/options.js'
import type { ContinuationManager } from '../manager/manager.js'
import { checkJson } from './json.js'

/** A key that is the same one in every process. */
export type RelayKey = string | number | boolean | null | undefined

/** What a manager is to do, wherever it is. */
export type Deed =
  | { readonly do: 'resume'; readonly key?: RelayKey; readonly attributes?: object }
  | { readonly do: 'broadcast'; readonly attributes?: object }
  | { readonly do: 'complete'; readonly key?: RelayKey }
  | { readonly do: 'fail'; readonly key?: RelayKey; readonly error: Told }

/** What stands in the log. */
export type Entry = DeedEntry | PresenceEntry

/** Told apart by who has appended it, and a number of his. */
export interface Numbered {
  readonly by: string
  readonly n: number
}

export type DeedEntry = Deed &
  Numbered & {
    /** Whoever does it is to say how many it woke. */
    readonly tell: boolean
  }

/** A process comes, answers one that comes, or goes. */
export type PresenceEntry = Numbered & { readonly do: 'join' | 'here' | 'leave' }

/** What stands in the channel of receipts. */
export interface Receipt {
  readonly to: string
  readonly n: number
  readonly by: string
  readonly woken: number
}

const deeds = ['resume', 'broadcast', 'complete', 'fail']
const presences = ['join', 'here', 'leave']

export function isDeed(entry: Entry): entry is DeedEntry {
  return deeds.includes(entry.do)
}

/** @throws {TypeError} `ERR_INVALID_OPTION` for what no relay appends */
export function entryOf(data: string): Entry {
  const entry = JSON.parse(data) as Entry | null
  if (!isNumbered(entry) || !(isDeed(entry) || presences.includes(entry.do))) {
    throw invalid('An entry of a relay', 'one with by, n and do', entry)
  }
  return entry
}

/** @throws {TypeError} `ERR_INVALID_OPTION` for what no relay appends */
export function receiptOf(data: string): Receipt {
  const receipt = JSON.parse(data) as Receipt | null
  if (!isNumbered(receipt) || typeof receipt.woken !== 'number') {
    throw invalid('A receipt of a relay', 'one with by, n and woken', receipt)
  }
  return receipt
}

function isNumbered<T extends Numbered>(entry: T | null): entry is T {
  return typeof entry?.by === 'string' && Number.isSafeInteger(entry.n)
}

/** What is told of an error. */
export interface Told {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly status?: number
  readonly expose?: boolean
  readonly headers?: object
}

/** @returns how many were decided */
export function act(manager: ContinuationManager, deed: Deed, error?: Error): number {
  switch (deed.do) {
    case 'resume':
      return manager.resume(deed.key, deed.attributes)
    case 'broadcast':
      return manager.broadcast(deed.attributes)
    case 'complete':
      return manager.complete(deed.key)
    case 'fail':
      return manager.fail(deed.key, error ?? errorOf(deed.error))
  }
}

/** @throws {TypeError} `ERR_INVALID_OPTION` for a key that is another one in another process */
export function checkKey(key: unknown): asserts key is RelayKey {
  if (key === undefined || key === null || typeof key === 'string' || typeof key === 'boolean') return
  if (Number.isFinite(key)) return
  throw new InvalidTypeError(
    `A key that is relayed must be a string, a finite number, a boolean, null or undefined: got ${shown(key)}`,
  )
}

/**
 * @throws {TypeError} `ERR_INVALID_OPTION` for what is no object
 * @throws {UnserialisableError} for what JSON cannot hold
 */
export function checkAttributes(attributes: unknown): void {
  if (attributes === undefined) return
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw invalid('Attributes', 'an object', attributes)
  }
  checkJson('attributes', attributes)
}

/**
 * @throws {TypeError} `ERR_INVALID_OPTION` for what is no error
 * @throws {UnserialisableError} for headers that JSON cannot hold
 */
export function told(error: unknown): Told {
  if (!(error instanceof Error)) throw invalid('What requests fail with', 'an error', error)
  const { name, message, code, status, statusCode, expose, headers } = error as Error & Record<string, unknown>
  if (headers !== undefined) checkJson('error.headers', headers)
  const statuses = [status, statusCode].filter((one) => typeof one === 'number')
  return {
    name,
    message,
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(statuses.length > 0 && { status: statuses[0] as number }),
    ...(typeof expose === 'boolean' && { expose }),
    ...(typeof headers === 'object' && headers !== null && { headers }),
  }
}

/** As Koa's error handling takes it. */
export function errorOf({ message, status, ...others }: Told): Error {
  return Object.assign(new Error(message), others, status === undefined ? {} : { status, statusCode: status })
}
