import type { Clock } from './clock.js'
import { InvalidRangeError, InvalidTypeError } from './errors.js'

/** Says what was received, short enough for a message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'function') return `a function${value.name && ` ${value.name}`}`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  const { name } = Object.getPrototypeOf(value)?.constructor ?? { name: '' }
  return name && name !== 'Object' ? `an instance of ${name}` : 'an object'
}

/** A promise, a stream or a blob: it holds nothing yet, and JSON would show how it is made. */
export function isToCome(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return ['then', 'pipe', 'getReader', 'arrayBuffer'].some((name) => typeof Reflect.get(value, name) === 'function')
}

export function invalid(what: string, expected: string, received: unknown): InvalidTypeError {
  return new InvalidTypeError(`${what} must be ${expected}: got ${shown(received)}`)
}

/** Refuses what is not an object, and names every option that is not `known`. */
export function checkOptions(of: string, options: unknown, known: readonly string[]): void {
  // what has entries of its own, as a list or a Map, has no names to read
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    throw invalid(`The options of ${of.replace(/^An? /, (article) => article.toLowerCase())}`, 'an object', options)
  }
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new InvalidTypeError(`${of} has no option ${unknown.join(', ')}: it takes ${known.join(', ')}`)
  }
}

export function checkNumber(what: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || Number.isNaN(value)) throw invalid(what, 'a number', value)
}

/** A number between `least` and `most`, both included. */
export function checkRange(what: string, value: unknown, least: number, most = Number.POSITIVE_INFINITY): void {
  checkNumber(what, value)
  if (value < least || value > most) {
    const range = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `between ${least} and ${most}`
    throw new InvalidRangeError(`${what} must be ${range}: got ${value}`)
  }
}

export function checkPositive(what: string, value: unknown): void {
  checkNumber(what, value)
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
    throw new InvalidRangeError(`${what} must be above 0, and finite: got ${value}`)
  }
}

/** A whole number of at least `least`, or `Infinity` for as many as there are. */
export function checkCount(what: string, value: unknown, least = 0): void {
  checkRange(what, value, least)
  if (!Number.isInteger(value) && value !== Number.POSITIVE_INFINITY) {
    throw new InvalidRangeError(`${what} must be a whole number: got ${value}`)
  }
}

/** What a clock has to have. */
const ofClock = ['now', 'setTimeout', 'clearTimeout', 'nextTurn', 'afterJobs'] as const satisfies (keyof Clock)[]

export function checkClock(clock: Partial<Clock> | null): asserts clock is Clock {
  for (const name of ofClock) {
    if (typeof clock?.[name] !== 'function') throw invalid('clock', `a clock, with ${ofClock.join(', ')}`, clock)
  }
}

export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') throw invalid(what, 'a function', value)
}

/** Checks `clientId`, and then each of its answers: what is no name would count as somebody else each time. */
export function clientBy<Of>(clientId: (of: Of) => unknown): (of: Of) => string | undefined {
  checkFunction('clientId', clientId)
  return (of) => {
    const client = clientId(of) ?? undefined
    if (client === undefined || typeof client === 'string') return client
    throw invalid('What clientId answers', 'a string or undefined', client)
  }
}
