import { shown } from '../core/options.js'

/** What is relayed would not come out the same in another process, as JSON cannot hold it. */
export class UnserialisableError extends TypeError {
  override readonly name = 'UnserialisableError'
  readonly code: string = 'ERR_UNSERIALISABLE'
  /** Where it stands, as `attributes.user.since`. */
  readonly path: string

  /** @param what is received, in words */
  constructor(path: string, received: unknown, what = typeof received === 'bigint' ? `${received}n` : shown(received)) {
    super(`${path} cannot be relayed to other processes: JSON does not hold ${what}`)
    this.path = path
  }
}

/**
 * Refuses what would come out of JSON as something else: dates, maps, instances of classes, `NaN`, functions, cycles. A
 * property that is `undefined` is one that is not there.
 *
 * @throws {UnserialisableError} the first place that JSON cannot hold
 */
export function checkJson(path: string, value: unknown, above: readonly unknown[] = []): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return
  if (typeof value !== 'object') throw new UnserialisableError(path, value)
  if (above.includes(value)) throw new UnserialisableError(path, value, 'what contains itself')
  const within = [...above, value]
  if (Array.isArray(value)) {
    if (Object.keys(value).length > value.length) {
      throw new UnserialisableError(path, value, 'an array with properties of its own')
    }
    for (let place = 0; place < value.length; place++) checkJson(`${path}[${place}]`, value[place], within)
    return
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new UnserialisableError(path, value)
  if ('toJSON' in value || Object.getOwnPropertySymbols(value).length > 0) {
    throw new UnserialisableError(path, value, 'an object with a toJSON, or with symbols for names')
  }
  for (const [name, property] of Object.entries(value)) {
    if (property !== undefined) checkJson(`${path}.${name}`, property, within)
  }
}
