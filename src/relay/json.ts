import { shown } from '../core/options.js'

/** What is relayed would not come out the same in another process, as JSON cannot hold it. */
export class UnserialisableError extends TypeError {
  override readonly name = 'UnserialisableError'
  readonly code: string = 'ERR_UNSERIALISABLE'
  /** Where it stands, as `attributes.user.since`. */
  readonly path: string

  constructor(path: string, received: unknown) {
    super(`${path} cannot be relayed to other processes: JSON does not hold ${what(received)}`)
    this.path = path
  }
}

function what(value: unknown): string {
  const text = typeof value === 'bigint' ? `${value}n` : shown(value)
  return Array.isArray(value) ? 'an array with holes or undefined in it' : text
}

/**
 * Refuses what would come out of JSON as something else: dates, maps, instances of classes, `NaN`, functions, cycles. A
 * property that is `undefined` is one that is not there.
 *
 * @throws {UnserialisableError} the first place that JSON cannot hold
 */
export function checkJson(path: string, value: unknown, above: readonly unknown[] = []): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return
  if (typeof value !== 'object' || above.includes(value)) throw new UnserialisableError(path, value)
  const within = [...above, value]
  if (Array.isArray(value)) {
    for (let place = 0; place < value.length; place++) checkJson(`${path}[${place}]`, value[place], within)
    return
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new UnserialisableError(path, value)
  if ('toJSON' in value || Object.getOwnPropertySymbols(value).length > 0) throw new UnserialisableError(path, value)
  for (const [name, property] of Object.entries(value)) {
    if (property !== undefined) checkJson(`${path}.${name}`, property, within)
  }
}
