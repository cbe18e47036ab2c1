import { copyAttributes } from '../core/attributes.js'
import {
  type Continuation,
  type ContinuationAttributes,
  type ContinuationContext,
  isContinuation,
  lifeOf,
} from '../core/continuation.js'
import { checkDrainOptions, type Drained, type DrainOptions, drain } from '../core/drain.js'
import { HoldCount } from '../core/hold-count.js'
import { each, type Holder } from '../core/holders.js'
import { numberOf } from '../core/id.js'
import type { Life } from '../core/life.js'
import { checkCount, checkFunction, checkOptions, clientBy, invalid } from '../core/options.js'
import { type Home, Line, Link } from './line.js'

/** How many a `ContinuationManager` keeps, and what becomes of a client's second request. */
export interface ManagerOptions {
  /**
   * How many may wait: in all, under one key, of one client. One that waits under several keys is one. Over it `stash()`
   * throws a 503. Default `Infinity` each: the boundary has limits of its own.
   */
  limits?: { total?: number | undefined; perKey?: number | undefined; perClient?: number | undefined } | undefined
  /**
   * What becomes of a client's first request when it stashes a second one under the same key: `'both'` wait, or the
   * second `'replace'`s the first, which is answered 204, or in a `wait()` hears `'completed'`. Nobody replaces one
   * whose client is `undefined` or `''`. Default `'both'`.
   */
  second?: 'both' | 'replace' | undefined
  /**
   * Who the client is; `undefined` is not counted, and `''` are all that have no name. Default what the boundary says, and that
   * is `ctx.ip` by default.
   */
  clientId?: ((context: ContinuationContext) => string | undefined) | undefined
  /** Numbers from 0 to 1 for `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}

/**
 * Keeps suspended continuations, by key, until somebody decides them.
 *
 * - Whoever is resumed, completed, failed, expired or gone leaves by itself, at once.
 * - Under a key, first come, first woken.
 * - `resume`, `complete`, `fail` and `broadcast` decide those that wait at the moment of the call, and say how many.
 * - Stashing, leaving, waking one, and looking one up cost the same however many wait.
 *
 * @example
 * ```ts
 * const clients = new ContinuationManager()
 *
 * router.get('/subscribe', (ctx) => {
 *   const { continuation } = ctx
 *   if (continuation.isInitial()) {
 *     continuation.suspend()
 *     clients.stash(continuation)
 *     return
 *   }
 *   ctx.body = continuation.isExpired() ? '' : continuation.getAttribute('message')
 * })
 *
 * router.post('/publish', (ctx) => {
 *   clients.broadcast({ message: ctx.request.body.message })
 *   ctx.body = 'ok'
 * })
 * ```
 */
export class ContinuationManager implements Iterable<Continuation> {
  #lines = new Map<unknown, Line>()
  #size = 0
  #arrivals = 0
  /** Made when somebody first asks for one by its id. */
  #byNumber: Map<number, Life> | undefined
  readonly #count: HoldCount
  readonly #replaces: boolean
  readonly #needsClient: boolean
  readonly #clientId: ((context: ContinuationContext) => string | undefined) | undefined
  readonly #home: Home = {
    left: (link) => {
      if (link.line.size === 0) this.#lines.delete(link.line.key)
      this.#leave(link)
    },
  }

  /** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
  constructor(options: ManagerOptions = {}) {
    checkOptions('A ContinuationManager', options, ['limits', 'second', 'clientId', 'random'])
    const { limits = {}, second = 'both', clientId, random = Math.random } = options
    checkOptions('limits', limits, ['total', 'perKey', 'perClient'])
    const none = Number.POSITIVE_INFINITY
    const { total = none, perKey = none, perClient = none } = limits
    checkCount('limits.total', total)
    checkCount('limits.perKey', perKey)
    checkCount('limits.perClient', perClient)
    if (second !== 'both' && second !== 'replace') throw invalid('second', "'both' or 'replace'", second)
    checkFunction('random', random)
    this.#count = new HoldCount({ total, perKey, perClient }, random)
    this.#replaces = second === 'replace'
    this.#needsClient = this.#replaces || perClient !== none
    this.#clientId = clientId === undefined ? undefined : clientBy(clientId)
  }

  /** How many continuations wait. */
  get size(): number {
    return this.#size
  }

  /**
   * Keeps a continuation under a key until it is decided or over. Suspend it first; before a `wait()` of the same
   * handler it may be stashed too.
   *
   * One that is decided or over already is not kept, and that is no error. Under the same key a second time: nothing
   * changes. Under another key: it waits under both, and leaves both together.
   *
   * @param key any value, told apart as a `Map` does. Default `undefined`, a key like any other
   * @returns how many wait under the key now
   * @throws {SuspensionLimitError} over a limit; thrown on by the handler, it is answered 503
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no continuation
   */
  stash(continuation: Continuation, key?: unknown): number {
    if (!isContinuation(continuation)) {
      throw invalid(
        'What is stashed',
        'a continuation, as ctx.continuation is under continuations() or suspendable()',
        continuation,
      )
    }
    const life = lifeOf(continuation)
    // first, as it is code of others: what it does is seen by all that follows
    const client = this.#needsClient ? this.#clientOf(continuation) : undefined
    const known = this.#lines.get(key)
    if (!life.canBeHeld) return known?.size ?? 0
    const links = this.#linksOf(life)
    for (const { line } of links) if (line === known) return known.size

    const again = links.length > 0
    const groups = this.#count.groups(key, again ? undefined : client)
    const older = known?.of(client)
    if (older !== undefined) {
      const leaves = older.life.isWaiting || this.#linksOf(older.life).length === 1 ? 'all' : 'perKey'
      // nobody makes room for one that is refused
      this.#count.check(groups, again, leaves)
      if (!older.life.dismiss()) older.letGo()
    }
    this.#count.enter(groups, again)

    // looked up again: the older one may have been the last of its line
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = new Line(key, this.#home, this.#replaces)
      this.#lines.set(key, line)
    }
    const link = new Link(life, line, groups, client)
    link.arrival = ++this.#arrivals
    line.push(link)
    if (!again) {
      link.place = link.arrival
      this.#size++
      this.#byNumber?.set(life.number, life)
    }
    life.hold(link)
    return line.size
  }

  #leave({ life, line, groups, place }: Link): void {
    // let go alone, to make room under one key: it waits on under another
    const heir = place !== undefined && Array.isArray(life.holders) ? this.#linksOf(life)[0] : undefined
    if (heir !== undefined) {
      this.#count.leave(this.#count.groups(line.key, undefined), true)
      heir.groups = { ...groups, ...heir.groups }
      heir.place = place
      return
    }
    this.#count.leave(groups, place === undefined)
    if (place !== undefined) {
      this.#size--
      this.#byNumber?.delete(life.number)
    }
  }

  /** Under each of its keys. One that is decided has none. */
  #linksOf(life: Life): readonly Link[] {
    return each(life.holders).filter(
      (holder): holder is Link => holder instanceof Link && holder.line.home === this.#home && holder.line.has(holder),
    )
  }

  /** One link of each, in order of arrival. */
  #all(): Link[] {
    const all: Link[] = []
    let isInOrder = true
    let last = 0
    for (const line of this.#lines.values()) {
      for (const link of line) {
        const { place } = link
        if (place === undefined) continue
        // one that was let go of under another key has its place from there
        isInOrder &&= place > last
        last = place
        all.push(link)
      }
    }
    return isInOrder ? all : all.sort((one, other) => (one.place ?? 0) - (other.place ?? 0))
  }

  #clientOf(continuation: Continuation): string | undefined {
    return this.#clientId === undefined ? continuation.clientId : this.#clientId(continuation.context)
  }

  /**
   * Lets those that wait under a key be dispatched again, with `attributes` set: the first `count` of them, or all.
   *
   * @param count default all
   * @returns how many it woke
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for attributes that are no object, or a count that is no
   *   whole number
   * @example
   * ```ts
   * router.post('/tables/:table/cards', (ctx) => {
   *   clients.resume(ctx.params.table, { yourTurn: true }, 1) // who has waited longest
   *   ctx.body = { stillWaiting: clients.waiting(ctx.params.table).length }
   * })
   * ```
   */
  resume(key?: unknown, attributes?: Partial<ContinuationAttributes>, count = Number.POSITIVE_INFINITY): number {
    checkCount('count', count)
    const copy = copyAttributes(attributes)
    return this.#decide(this.#lines.get(key), count, (life, by) => life.resume(copy, by))
  }

  /**
   * Lets all that wait, under whatever key, be dispatched again, with `attributes` set.
   *
   * @returns how many it woke
   * @throws {TypeError} `ERR_INVALID_OPTION` for attributes that are no object
   * @example
   * ```ts
   * router.post('/closing', (ctx) => {
   *   ctx.body = { told: clients.broadcast({ message: 'we close in five minutes' }) }
   * })
   * ```
   */
  broadcast(attributes?: Partial<ContinuationAttributes>): number {
    const copy = copyAttributes(attributes)
    const links = this.#all()
    const waiting = links.filter(({ life }) => life.isWaiting)
    const all = waiting.length === links.length
    if (all) {
      for (const line of this.#lines.values()) line.disband()
      this.#lines = new Map()
      this.#size = 0
      this.#byNumber?.clear()
      this.#count.clear()
    }
    return decideAll(waiting, (life, by) => life.resume(copy, all ? by : undefined))
  }

  /** Decides the first `count` that wait in a line. What a listener does meanwhile adds nobody, and hides nobody. */
  #decide(line: Line | undefined, count: number, decideOne: DecideOne): number {
    let decided = 0
    if (line === undefined) return decided
    const last = this.#arrivals
    for (;;) {
      const links = line.waiting(count - decided, last)
      // the line may be gone by now, and its key be another one's
      if (links.length === 0) return decided
      if (links.length === line.size) {
        this.#disband(line, links)
        return decided + decideAll(links, decideOne)
      }
      const gained = decideAll(links, (life) => decideOne(life))
      decided += gained
      // asked for a number, and a listener got in between: the next in line have their chance
      if (gained === links.length || count === Number.POSITIVE_INFINITY) return decided
    }
  }

  /** A whole line leaves in one go. */
  #disband(line: Line, links: readonly Link[]): void {
    line.disband()
    this.#lines.delete(line.key)
    for (const link of links) this.#leave(link)
  }

  /**
   * Sends what the contexts under a key hold now, without another dispatch.
   *
   * @returns how many it completed
   * @example
   * ```ts
   * router.put('/weather/:city', (ctx) => {
   *   const { city } = ctx.params
   *   for (const { context } of clients.waiting(city)) context.body = 'sunny'
   *   ctx.body = { told: clients.complete(city) }
   * })
   * ```
   */
  complete(key?: unknown): number {
    return this.#decide(this.#lines.get(key), Number.POSITIVE_INFINITY, (life, by) => life.complete(by))
  }

  /**
   * Ends all that wait under a key with an error, through Koa's own error handling.
   *
   * @returns how many it ended
   * @throws {TypeError} `ERR_INVALID_OPTION` without an error
   * @example
   * ```ts
   * router.delete('/rooms/:room', (ctx) => {
   *   const error = Object.assign(new Error('The room is closed'), { status: 410, expose: true })
   *   ctx.body = { sentAway: clients.fail(ctx.params.room, error) }
   * })
   * ```
   */
  fail(key: unknown, error: unknown): number {
    if (error === undefined || error === null) throw invalid('What requests fail with', 'an error', error)
    return this.#decide(this.#lines.get(key), Number.POSITIVE_INFINITY, (life, by) => life.fail(error, by))
  }

  /** From now on nobody is kept: `stash()` throws a `DrainError`. What `drain` begins with. */
  refuse(): void {
    this.#count.close()
  }

  /**
   * Sends home all that wait, and keeps nobody any more: `stash()` throws a `DrainError`, which is answered 503.
   *
   * They expire, at random moments of a time that depends on how many they are, and their connections close with the
   * answers. One that waits for a job in a lane is left to that for as long as it can be. Once is enough; a second call
   * has its own time. Who was decided before is on the way, and no longer the manager's: the boundary's `drain()` waits for
   * those too.
   *
   * @returns resolves when all have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * process.once('SIGTERM', async () => {
   *   await clients.drain({ timeout: 5_000 })
   *   server.close()
   * })
   * ```
   */
  async drain(options: DrainOptions = {}): Promise<Drained> {
    checkDrainOptions('drain()', options)
    this.refuse()
    return drain(this, options)
  }

  /**
   * The waiting continuation with this id, if there is one. The first call of all looks through those that wait, once.
   *
   * @example
   * ```ts
   * router.get('/waiting/:id', (ctx) => {
   *   const { since } = clients.get(ctx.params.id) ?? {}
   *   if (since !== undefined) ctx.body = { since: new Date(since) }
   * })
   * ```
   */
  get(id: string): Continuation | undefined {
    this.#byNumber ??= new Map(this.#all().map(({ life }) => [life.number, life]))
    return this.#byNumber.get(numberOf(id))?.continuation
  }

  /** Those that wait under a key at this moment, in order of arrival. */
  waiting(key?: unknown): Continuation[] {
    return Array.from(this.#lines.get(key) ?? [], ({ life }) => life.continuation)
  }

  /** The keys under which somebody waits, in the order of their first arrival. */
  keys(): IterableIterator<unknown> {
    return this.#lines.keys()
  }

  /** All that wait, in order of arrival. */
  *[Symbol.iterator](): IterableIterator<Continuation> {
    // whoever has left meanwhile does not wait
    for (const link of this.#all()) if (link.line.has(link)) yield link.life.continuation
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object, inspect: typeof String): string {
    const lines = [...this.#lines.values()].map((line): [unknown, Continuation[]] => [line.key, this.waiting(line.key)])
    const of = (value: unknown): string => (inspect as (value: unknown, options: object) => string)(value, options)
    return `ContinuationManager { ${this.size} waiting } ${of(new Map(lines))}`
  }
}

/** What a listener does meanwhile adds nobody, and hides nobody. */
function decideAll(links: readonly Link[], decideOne: DecideOne): number {
  let decided = 0
  for (const link of links) if (link.life.isWaiting && decideOne(link.life, link)) decided++
  return decided
}

/** @param by the link, where it has left already */
type DecideOne = (life: Life, by?: Holder) => boolean
