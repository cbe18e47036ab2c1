type Fields = Readonly<Record<string, string>>

interface Change {
  /** Its own. */
  readonly before: unknown
  readonly after: Fields
  readonly request: WeakRef<object>
}

/** How errors were changed last, for those that are thrown to more than one request. */
const changed = new WeakMap<Error, Change>()

/**
 * Lets an error take fields along: Koa answers it with those in its `headers`, and with none that were set before.
 *
 * What it has there of the same name stays. One that cannot be changed, or has something else there, is left as it is.
 */
export function giveFields(error: unknown, fields: Fields, request: object): void {
  if (!(error instanceof Error)) return
  try {
    const { headers } = error as { headers?: unknown }
    const last = changed.get(error)
    const isOurs = last !== undefined && last.after === headers
    const own = isOurs ? last.before : headers
    // what it was given for another request is not this one's
    const before = isOurs && last.request.deref() === request ? headers : own
    if (!isPlain(before)) return
    const after = { ...missing(fields, before), ...before }
    // hidden where it had none: nobody needs it in a log
    const enumerable = own !== undefined && own !== null
    Object.defineProperty(error, 'headers', { value: after, enumerable, configurable: true, writable: true })
    changed.set(error, { before: own, after, request: new WeakRef(request) })
  } catch {
    // it is frozen, or what it has there cannot be read
  }
}

function isPlain(headers: unknown): headers is Fields | null | undefined {
  if (headers === undefined || headers === null) return true
  return typeof headers === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(headers))
}

function missing(fields: Fields, before: Fields | null | undefined): Fields {
  const names = new Set(Object.keys(before ?? {}).map((name) => name.toLowerCase()))
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.has(name.toLowerCase())))
}
