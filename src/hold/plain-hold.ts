import type * as Koa from 'koa'
import { Chain } from '../core/chain.js'
import { type Clock, systemClock } from '../core/clock.js'
import { checkDrainOptions, type Drained, type DrainOptions } from '../core/drain.js'
import { IllegalStateError } from '../core/errors.js'
import { HoldCount } from '../core/hold-count.js'
import {
  checkClock,
  checkCount,
  checkFunction,
  checkNumber,
  checkOptions,
  checkRange,
  clientBy,
  invalid,
} from '../core/options.js'
import { discardBody } from '../koa/body.js'
import { addressOf, socketOf, stopWaiting } from '../koa/connection.js'
import { isTaken, takeOut } from '../koa/hands.js'
import { type PlainAnswer, type Prepared, prepare } from './answer.js'
import { Held, type Line } from './held.js'
import { Outbox } from './outbox.js'

/** How long a `PlainHold` holds, how many, and what it answers when the time is up. */
export interface PlainHoldOptions {
  /** Milliseconds that a request is held. Default 30 000; `0`, less, or `Infinity`: for ever. */
  timeout?: number | undefined
  /** What is answered when the time is up, and when the hold is drained. Default 204. */
  expired?: PlainAnswer | undefined
  /** How many may be held: in all (50 000), under one key and of one client (`Infinity`). Over it: 503. */
  limits?: { total?: number | undefined; perKey?: number | undefined; perClient?: number | undefined } | undefined
  /** Who the client is, for `limits.perClient`. Default `ctx.ip`. */
  clientId?: ((ctx: Koa.Context) => string | undefined) | undefined
  /**
   * Whether a request that is held is let go of, and its response, and nothing kept but its connection: less memory, less work, and
   * shorter pauses where many are held. Default: where nobody listens to either when all that stands above has returned. `true`: whoever
   * listens (a log, say) hears that they are over as soon as it is held. `false`: never.
   *
   * Where a client sends another request on the same connection before it has its answer, the connection closes with that. What cannot
   * be let go of is kept: HTTP/2, HTTP/1.0, a body that is still to come, a response that hears of its time limit, what middleware has put
   * a `write`, an `end` or a `writeHead` of its own on.
   *
   * All has returned when Koa looks at `ctx.respond`: where middleware further in looks at it after `next()`, and some further out still
   * waits then, what that sets or throws later is lost. Say `false` there.
   */
  compact?: boolean | undefined
  /** Milliseconds a turn of the event loop in which answers are written. Default 2. */
  budget?: number | undefined
  /** Default the machine's own time. */
  clock?: Clock | undefined
  /** Numbers from 0 to 1. Default `Math.random`. */
  random?: (() => number) | undefined
}

type Response = Koa.Context['res']

const known = ['timeout', 'expired', 'limits', 'clientId', 'compact', 'budget', 'clock', 'random']

/**
 * Holds requests that are all to get the same answer, as cheaply as plain Node would.
 *
 * - A held request is out of Koa's hands: its handler has returned, nothing is dispatched again, and what stands above
 *   sees it end when it is held. Use a `ContinuationManager` where each has an answer of its own.
 * - An answer is made once, however many get it, and written at a pace: the event loop turns every few milliseconds.
 * - All have the same time limit, and one timer.
 * - Whoever leaves is forgotten at once. Headers that were set before the hold go out with the answer.
 *
 * @example
 * ```ts
 * const ticker = new PlainHold()
 *
 * router.get('/price', (ctx) => ticker.hold(ctx))
 * router.post('/price', (ctx) => {
 *   ctx.body = { told: ticker.broadcast({ body: ctx.request.body }) }
 * })
 * ```
 */
export class PlainHold {
  /** In order of arrival, which is the order in which their time is up. */
  #all = new Chain<Held>()
  readonly #byKey = new Map<unknown, Line>()
  readonly #timeout: number
  readonly #expired: Prepared
  readonly #count: HoldCount
  readonly #countsClients: boolean
  readonly #clientId: (ctx: Koa.Context) => string | undefined
  readonly #clock: Clock
  readonly #random: () => number
  readonly #outbox: Outbox
  readonly #compact: boolean | undefined
  /** Held just now; */
  #fresh: Held[] = []
  /** those above whom all has returned just now; */
  #returned: Held[] = []
  /** and with a body that nobody may read. */
  #unread: Response[] = []
  #looks = false
  #timer: unknown

  /** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
  constructor(options: PlainHoldOptions = {}) {
    checkOptions('A PlainHold', options, known)
    const { timeout = 30_000, expired = {}, limits = {}, clientId = addressOf, compact } = options
    const { budget = 2, clock = systemClock, random = Math.random } = options
    checkNumber('timeout', timeout)
    checkOptions('limits', limits, ['total', 'perKey', 'perClient'])
    const none = Number.POSITIVE_INFINITY
    const { total = 50_000, perKey = none, perClient = none } = limits
    checkCount('limits.total', total)
    checkCount('limits.perKey', perKey)
    checkCount('limits.perClient', perClient)
    if (compact !== undefined && typeof compact !== 'boolean') throw invalid('compact', 'true or false', compact)
    checkRange('budget', budget, 0)
    checkClock(clock)
    checkFunction('random', random)
    this.#timeout = timeout > 0 ? timeout : none
    this.#expired = prepare('expired', expired)
    this.#count = new HoldCount({ total, perKey, perClient }, random)
    this.#countsClients = perClient !== none
    this.#clientId = clientBy(clientId)
    this.#compact = compact
    this.#clock = clock
    this.#random = random
    this.#outbox = new Outbox(budget, clock)
  }

  /** How many requests are held. */
  get size(): number {
    return this.#all.size
  }

  /** The keys under which somebody is held, in the order of their first arrival. */
  keys(): IterableIterator<unknown> {
    return this.#byKey.keys()
  }

  /** How many are held under a key. */
  waiting(key?: unknown): number {
    return this.#byKey.get(key)?.places.size ?? 0
  }

  /**
   * Takes the response out of Koa's hands and holds it. Return then, or go on with something else.
   *
   * A client that has left already is not held, and that is no error. A body that nobody has begun to read by the next turn of
   * the event loop is thrown away: it would hide that its client leaves.
   *
   * @param key any value, told apart as a `Map` does. Default `undefined`, a key like any other
   * @returns how many are held under the key now
   * @throws {SuspensionLimitError} over a limit; thrown on by the handler, it is answered 503
   * @throws {DrainError} when the hold is drained; the same
   * @throws {IllegalStateError} where the response has begun, or is out of Koa's hands already
   */
  hold(ctx: Koa.Context, key?: unknown): number {
    if (typeof ctx?.res?.writeHead !== 'function') throw invalid('What is held', 'a Koa context', ctx)
    const { res } = ctx
    if (res.destroyed || socketOf(res, ctx.req)?.destroyed) return this.waiting(key)
    if (res.headersSent || isTaken(ctx)) {
      throw new IllegalStateError('Cannot hold a response that has begun, or that somebody else writes: hold it first')
    }
    const groups = this.#count.groups(key, this.#countsClients ? this.#clientId(ctx) : undefined)
    this.#count.enter(groups)
    this.#outbox.backpressure.asked()
    stopWaiting(ctx)
    let line = this.#byKey.get(key)
    if (line === undefined) {
      line = { key, places: new Chain() }
      this.#byKey.set(key, line)
    }
    const held = Held.on(res)
    held.begin(this, res, line, groups, this.#clock.now() + this.#timeout)
    line.places.push(held.place)
    this.#all.push(held)
    if (this.#compact === false) ctx.respond = false
    else takeOut(ctx, held)
    this.#fresh.push(held)
    this.#lookSoon()
    if (this.#timer === undefined && this.#timeout !== Number.POSITIVE_INFINITY) this.#startTimer(this.#timeout)
    return line.places.size
  }

  /**
   * Answers all that are held under a key. They are taken out at once, and written to soon, the first that came first.
   *
   * @returns how many
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for what is no answer
   * @example
   * ```ts
   * const jobs = new PlainHold({ timeout: 25_000 })
   *
   * router.get('/jobs/:id', (ctx) => jobs.hold(ctx, ctx.params.id))
   * router.post('/jobs/:id', (ctx) => {
   *   const type = { 'Content-Type': 'text/plain' }
   *   ctx.body = { told: jobs.answer(ctx.params.id, { headers: type, body: 'done' }) }
   * })
   * ```
   */
  answer(key: unknown, answer: PlainAnswer): number {
    const prepared = prepare('An answer', answer)
    const line = this.#byKey.get(key)
    if (line === undefined) return 0
    if (line.places.size === this.#all.size) return this.#answerAll(prepared)
    this.#byKey.delete(key)
    const { places } = line
    for (const { held } of places) {
      this.#all.delete(held)
      this.#count.leave(held.groups)
    }
    return this.#send(() => places.shift()?.held, places.size, prepared)
  }

  /** Answers all, under whatever key. @returns how many @throws as `answer()` */
  broadcast(answer: PlainAnswer): number {
    return this.#answerAll(prepare('An answer', answer))
  }

  #answerAll(answer: Prepared): number {
    const all = this.#all
    this.#all = new Chain()
    this.#byKey.clear()
    this.#count.clear()
    const next = (): Held | undefined => {
      const held = all.shift()
      held?.line.places.delete(held.place)
      return held
    }
    return this.#send(next, all.size, answer)
  }

  /**
   * Sends home all that are held, as if their time were up, each at a random moment; `hold()` throws a `DrainError`
   * from now on. Connections close with the answers. See `ContinuationManager#drain`; `end` is not called here.
   *
   * @returns resolves when all have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * process.once('SIGTERM', async () => {
   *   await ticker.drain({ timeout: 5_000 })
   *   server.close()
   * })
   * ```
   */
  async drain(options: DrainOptions = {}): Promise<Drained> {
    checkDrainOptions('drain()', options)
    const { timeout = 10_000, rate = 1_000 } = options
    this.#count.close()
    const outbox = this.#outbox
    outbox.close()
    const { sent, written } = outbox
    const all = [...this.#all]
    const window = Math.min((all.length / rate) * 1_000, timeout / 2)
    const left = new Set(all)
    /** Of those that were on their way. */
    const unwritten = () => Math.max(0, sent - outbox.written)
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimeout(end, timeout, undefined)
      function end(): void {
        outbox.emptied.delete(leave)
        resolve()
      }
      const leave = (): void => {
        if (left.size > 0 || unwritten() > 0) return
        this.#clock.clearTimeout(timer)
        end()
      }
      outbox.emptied.add(leave)
      for (const held of all) {
        held.closeAfter()
        held.onClose(() => {
          left.delete(held)
          leave()
        })
        this.#clock.setTimeout((due) => this.#expire(due), Math.max(1, this.#random() * window), held)
      }
      leave()
    })
    await outbox.backpressure.letAllIn()
    return { held: all.length + sent - written, failed: left.size + unwritten() }
  }

  /** @internal All that stands above has returned. */
  returned(held: Held): void {
    this.#returned.push(held)
    this.#lookSoon()
  }

  #lookSoon(): void {
    if (this.#looks) return
    this.#looks = true
    this.#clock.afterJobs(this.#look)
  }

  readonly #look = (): void => {
    this.#looks = false
    for (const held of this.#returned.splice(0)) if (!this.#count.isClosed) held.letGo(this.#compact === true)
    for (const { response } of this.#fresh.splice(0)) {
      if (response !== undefined && this.#unread.push(response) === 1) this.#clock.nextTurn(this.#discardBodies)
    }
  }

  readonly #discardBodies = (): void => {
    for (const res of this.#unread.splice(0)) discardBody({ req: res.req, res })
  }

  /** @internal The client has left. */
  forget(held: Held): void {
    if (!this.#all.delete(held)) return
    this.#count.leave(held.groups)
    const { line, place } = held
    line.places.delete(place)
    if (line.places.size === 0) this.#byKey.delete(line.key)
    if (this.#all.size > 0) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #send(next: () => Held | undefined, size: number, answer: Prepared): number {
    if (this.#all.size === 0) {
      this.#clock.clearTimeout(this.#timer)
      this.#timer = undefined
    }
    this.#outbox.send(next, size, answer)
    return size
  }

  #expire(held: Held): void {
    if (!this.#all.has(held)) return
    this.forget(held)
    this.#sendHome([held])
  }

  /** @param last the one whose turn it is stands last */
  #sendHome(last: Held[]): void {
    if (last.length > 0) this.#outbox.send(() => last.pop(), last.length, this.#expired)
  }

  #startTimer(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#expireDue(), Math.max(1, ms), undefined)
  }

  #expireDue(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    const due: Held[] = []
    let next: number | undefined
    for (const held of this.#all) {
      if (held.until > now) {
        next = held.until
        break
      }
      due.push(held)
    }
    for (const held of due) this.forget(held)
    this.#sendHome(due.reverse())
    if (next !== undefined) this.#startTimer(next - now)
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PlainHold { ${this.size} held under ${this.#byKey.size} keys }`
  }
}
