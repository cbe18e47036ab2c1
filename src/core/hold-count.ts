import { DrainError, type LimitScope, SuspensionLimitError } from './errors.js'

/**
 * How many requests are held, in all and by group, against limits.
 *
 * What `enter` counted, `leave` must take back with the same groups. A refused `enter` counts nothing.
 */
export class HoldCount {
  readonly #total: number
  readonly #groups: { scope: LimitScope; limit: number; counts: Map<unknown, number> }[]
  readonly #random: () => number
  #size = 0
  #closed = false

  /** @param limits the scopes that are counted, each with its number; `Infinity` counts nothing */
  constructor(limits: { total: number; perKey?: number; perClient?: number }, random: () => number) {
    this.#total = limits.total
    this.#random = random
    this.#groups = (['perKey', 'perClient'] as const)
      .map((scope) => ({ scope, limit: limits[scope] ?? Number.POSITIVE_INFINITY, counts: new Map() }))
      .filter(({ limit }) => limit !== Number.POSITIVE_INFINITY)
  }

  get size(): number {
    return this.#size
  }

  counts(scope: LimitScope): boolean {
    return this.#groups.some((group) => group.scope === scope)
  }

  /**
   * @param groups the group within each scope; a scope left out is not counted for this one
   * @param again it is counted already, and enters further groups
   * @param late it may enter also once it is closed
   * @throws {SuspensionLimitError} the first limit that is met
   * @throws {DrainError} once it is closed
   */
  enter(groups: Groups, again = false, late = false): void {
    this.check(groups, again, undefined, late)
    if (!again) this.#size++
    for (const { scope, counts } of this.#groups) {
      if (scope in groups) counts.set(groups[scope], (counts.get(groups[scope]) ?? 0) + 1)
    }
  }

  /**
   * Throws as `enter` would.
   *
   * @param instead one of the same groups leaves before that: altogether, or its key only
   */
  check(groups: Groups, again: boolean, instead?: 'all' | 'perKey', late = false): void {
    if (this.#closed && !late) throw new DrainError(this.#random)
    const leaving = instead === undefined ? 0 : 1
    const leavingAll = instead === 'all' ? 1 : 0
    if (!again && this.#size - leavingAll >= this.#total) {
      throw new SuspensionLimitError('total', this.#total, this.#random)
    }
    for (const { scope, limit, counts } of this.#groups) {
      const gone = scope === 'perKey' ? leaving : leavingAll
      if (scope in groups && (counts.get(groups[scope]) ?? 0) - gone >= limit) {
        throw new SuspensionLimitError(scope, limit, this.#random)
      }
    }
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The groups of one that waits under a key, for a client. */
  groups(perKey: unknown, perClient: string | undefined): Groups {
    if (this.#groups.length === 0) return none
    return perClient === undefined ? { perKey } : { perKey, perClient }
  }

  /** Nobody enters any more. */
  close(): void {
    this.#closed = true
  }

  /** All leave. */
  clear(): void {
    this.#size = 0
    for (const { counts } of this.#groups) counts.clear()
  }

  /** @param stays it leaves these groups only */
  leave(groups: Groups, stays = false): void {
    if (!stays) this.#size--
    for (const { scope, counts } of this.#groups) {
      if (!(scope in groups)) continue
      const count = counts.get(groups[scope]) ?? 0
      if (count > 1) counts.set(groups[scope], count - 1)
      else counts.delete(groups[scope])
    }
  }
}

const none: Groups = {}

export interface Groups {
  total?: never
  perKey?: unknown
  perClient?: unknown
}
