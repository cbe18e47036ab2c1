import type { Clock } from '../core/clock.js'
import type { ContinuationAttributes } from '../core/continuation.js'
import { invalid } from '../core/options.js'
import { LogError } from '../log/errors.js'
import { type Log, type Position, sizeOf } from '../log/log.js'
import { ContinuationManager } from '../manager/manager.js'
import {
  act,
  checkAttributes,
  checkKey,
  type Deed,
  type DeedEntry,
  type Entry,
  entryOf,
  isDeed,
  type PresenceEntry,
  type Receipt,
  type RelayKey,
  receiptOf,
  told,
} from './entries.js'
import { Follower } from './follower.js'
import { Once } from './once.js'
import { RelayGapError, type RelayOptions, type RelaySettings, relaySettings } from './options.js'
import { OwnDeeds } from './own-deeds.js'
import { Pace } from './pace.js'
import { Receipts } from './receipts.js'

/** How many a relayed call has decided, here and elsewhere. */
export interface RelayReceipt {
  /** Of the entry in the log. */
  readonly id: string
  /** How many requests were decided in this process. */
  readonly woken: number
  /** How many were in other processes, as far as these have said. `undefined` where `gather` is 0. */
  readonly elsewhere: number | undefined
  /**
   * How many other processes are known and have not said in time: they may do it all the same. 0: all that are known have. One that
   * was silent is known again when it is heard of; until then receipts say nothing of it.
   */
  readonly silent: number
}

/** Milliseconds after which it begins again, where it could not. */
const AGAIN = 1_000

/**
 * Decides the continuations of a manager, and those of its like in other processes, through a log that they share.
 *
 * - Every process does the same in the same order, each once; those that wait at that moment are decided.
 * - What was relayed before a process began is not done there.
 * - Keys and attributes are what JSON holds: each process has a copy of its own, this one too.
 * - Who comes to wait after the wake-up has missed it, as with a manager alone: where that must not be, use a `Channel`.
 *
 * @example
 * ```ts
 * const relay = new Relay(clients, log)
 *
 * router.post('/publish', async (ctx) => {
 *   const { woken, elsewhere } = await relay.resume('news', { message: ctx.request.body.message })
 *   ctx.body = { woken, elsewhere }
 * })
 * ```
 */
export class Relay {
  readonly manager: ContinuationManager
  readonly log: Log
  readonly #id: string = crypto.randomUUID()
  readonly #settings: RelaySettings
  readonly #clock: Clock
  readonly #receipts: Receipts
  readonly #own: OwnDeeds
  /** Those that were come across, of whomever; and the receipts that came to this process. */
  readonly #entries: Once
  readonly #answers: Once
  readonly #pace: Pace
  readonly #followers: readonly Follower[]
  #n = 0
  #ready: Promise<void> | undefined
  #again: unknown
  #closed = false

  /** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
  constructor(manager: ContinuationManager, log: Log, options: RelayOptions = {}) {
    if (!(manager instanceof ContinuationManager)) throw invalid('What is relayed', 'a ContinuationManager', manager)
    if (typeof log?.append !== 'function' || typeof log.read !== 'function' || typeof log.tail !== 'function') {
      throw invalid('log', 'a log, with append, read and tail', log)
    }
    this.#settings = relaySettings(options)
    const { clock, gather, backlog } = this.#settings
    this.manager = manager
    this.log = log
    this.#clock = clock
    this.#receipts = new Receipts(clock, gather)
    this.#own = new OwnDeeds((n, deed, error) => this.#doOwn(n, deed, error))
    this.#entries = new Once(backlog.messages)
    this.#answers = new Once(backlog.messages)
    this.#pace = new Pace(backlog)
    this.#followers = gather > 0 ? [this.#followEntries(), this.#followReceipts()] : [this.#followEntries()]
    this.#start()
  }

  get name(): string {
    return this.#settings.name
  }

  /** How many other processes are known. */
  get others(): number {
    return this.#receipts.size
  }

  /**
   * What is relayed by others reaches this process from when it has resolved. Calls wait for it by themselves.
   *
   * @returns rejects with what the log rejects with; it is tried again, every second
   */
  ready(): Promise<void> {
    if (this.#closed) return Promise.reject(closed())
    this.#ready ??= this.#begin().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  /**
   * Lets all that wait under a key be dispatched again, with `attributes` set, in every process.
   *
   * @returns when those of this process are woken, and the others have said how many theirs are. Rejects with what the log
   *   rejects with; then nobody is woken, or where that error is `inDoubt`, it may be
   * @throws {UnserialisableError} `ERR_UNSERIALISABLE` for attributes that JSON cannot hold
   * @throws {TypeError} `ERR_INVALID_OPTION` for attributes that are no object, or a key that is no string, finite number,
   *   boolean, `null` or `undefined`
   */
  async resume(key?: RelayKey, attributes?: Partial<ContinuationAttributes>): Promise<RelayReceipt> {
    checkKey(key)
    checkAttributes(attributes)
    return this.#relay({ do: 'resume', ...keyed(key), ...(attributes && { attributes }) })
  }

  /** The same for all that wait, under whatever key. */
  async broadcast(attributes?: Partial<ContinuationAttributes>): Promise<RelayReceipt> {
    checkAttributes(attributes)
    return this.#relay({ do: 'broadcast', ...(attributes && { attributes }) })
  }

  /** Sends what the contexts under a key hold now, in every process. Returns and throws as `resume`. */
  async complete(key?: RelayKey): Promise<RelayReceipt> {
    checkKey(key)
    return this.#relay({ do: 'complete', ...keyed(key) })
  }

  /**
   * Ends all that wait under a key with an error, in every process. Elsewhere it is an `Error` with the same name, message,
   * code, status, `expose` and headers. Returns and throws as `resume`.
   *
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no `Error`
   */
  async fail(key: RelayKey, error: Error): Promise<RelayReceipt> {
    checkKey(key)
    return this.#relay({ do: 'fail', ...keyed(key), error: told(error) }, error)
  }

  /** Takes no part any longer; calls that wait fail with `ERR_LOG_CLOSED`. The manager and the log stay as they are. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#clock.clearTimeout(this.#again)
    for (const follower of this.#followers) follower.end()
    this.#receipts.end()
    this.#own.failAll(() => closed(true))
    // who does not hear of it finds out by the silence
    if (this.#ready !== undefined) await this.#tell('leave').catch(() => {})
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const facts = [`${this.others} other processes`, `${this.manager.size} waiting here`, `${this.#own.size} under way`]
    return `Relay { ${JSON.stringify(this.name)}, ${facts.join(', ')} }`
  }

  #start(): void {
    this.ready().catch((error: unknown) => {
      if (this.#closed) return
      this.#again = this.#clock.setTimeout(() => this.#start(), AGAIN, undefined)
      this.#trouble(error)
    })
  }

  async #begin(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.begin()))
    this.#checkOpen()
    await this.#tell('join')
    this.#checkOpen()
    this.#receipts.begin()
  }

  #followEntries(): Follower {
    return new Follower(this.log, this.#settings.entries, this.#clock, {
      // they are not to be done, should the log give them once more
      before: ({ data }) => this.#guarded(() => this.#entries.isFirst(entryOf(data))),
      heard: ({ data }) => this.#guarded(() => this.#heard(entryOf(data))),
      read: (at, gap) => {
        this.#own.read(at, gap)
        if (gap !== undefined) this.#trouble(new RelayGapError(this.name, gap))
      },
      trouble: (error) => {
        this.#trouble(error)
        this.#own.doubt(error)
      },
    })
  }

  #followReceipts(): Follower {
    return new Follower(this.log, this.#settings.receipts, this.#clock, {
      heard: ({ data }) =>
        this.#guarded(() => {
          const receipt = receiptOf(data)
          if (receipt.to === this.#id && this.#answers.isFirst(receipt)) this.#receipts.told(receipt)
        }),
      // a receipt that is gone is a process that is silent
      read: () => {},
      trouble: (error) => this.#trouble(error),
    })
  }

  async #relay(given: Deed, error?: Error): Promise<RelayReceipt> {
    // as it is at the call, whatever becomes of it while the log is waited for
    const deed: Deed = JSON.parse(JSON.stringify(given))
    await this.ready()
    this.#checkOpen()
    const n = ++this.#n
    const size = sizeOf({ data: JSON.stringify({ ...deed, by: this.#id, n, tell: false }) })
    await this.#pace.enter(size)
    try {
      const elsewhere = this.#receipts.expect(n)
      const { id, woken } = await this.#relayHere(n, deed, error).finally(() => this.#pace.leave(size))
      return { id, woken, ...(await elsewhere) }
    } finally {
      this.#receipts.drop(n)
    }
  }

  /** Until this process has come across it. */
  async #relayHere(n: number, deed: Deed, error: Error | undefined): Promise<Pick<RelayReceipt, 'id' | 'woken'>> {
    this.#checkOpen()
    const here = this.#own.expect(n, deed, error)
    // where the append fails nobody looks at it
    here.catch(() => {})
    try {
      const at = await this.#append({ ...deed, by: this.#id, n, tell: this.#receipts.asks })
      this.#own.appended(n, at)
      return { id: `${at.epoch}-${at.seq}`, woken: await here }
    } finally {
      this.#own.drop(n)
    }
  }

  #heard(entry: Entry): void {
    const { by, n } = entry
    if (by === this.#id) {
      if (isDeed(entry)) this.#own.comeAcross(n, entry)
    } else if (!this.#entries.isFirst(entry)) return
    else if (entry.do === 'leave') this.#receipts.left(by)
    else {
      this.#receipts.met(by)
      if (isDeed(entry)) this.#obey(entry)
      else if (entry.do === 'join') this.#background(this.#tell('here'))
    }
  }

  #obey(entry: DeedEntry): void {
    const { by, n, tell } = entry
    const woken = act(this.manager, entry)
    if (!tell) return
    const receipt: Receipt = { to: by, n, by: this.#id, woken }
    const { receipts, backlog } = this.#settings
    this.#background(this.log.append(receipts, { data: JSON.stringify(receipt) }, backlog))
  }

  #doOwn(n: number, deed: Deed, error: Error | undefined): number {
    // nobody waits for it a second time
    if (!this.#entries.isFirst({ by: this.#id, n })) return 0
    const woken = act(this.manager, deed, error)
    this.#receipts.begun(n)
    return woken
  }

  #tell(what: PresenceEntry['do']): Promise<Position> {
    return this.#append({ by: this.#id, n: ++this.#n, do: what })
  }

  /** `close()` may have come while something was awaited. */
  #checkOpen(): void {
    if (this.#closed) throw closed()
  }

  #append(entry: Entry): Promise<Position> {
    return this.log.append(this.#settings.entries, { data: JSON.stringify(entry) }, this.#settings.backlog)
  }

  #background(doing: Promise<unknown>): void {
    doing.catch((error: unknown) => this.#trouble(error))
  }

  /** One entry that cannot be understood does not keep those behind it. */
  #guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#trouble(error)
    }
  }

  #trouble(error: unknown): void {
    if (this.#closed) return
    try {
      this.#settings.onTrouble(error instanceof Error ? error : new Error(String(error)))
    } catch {
      // what a listener does is its own affair
    }
  }
}

const keyed = (key: RelayKey): { key?: RelayKey } => (key === undefined ? {} : { key })

function closed(inDoubt = false): LogError {
  return new LogError('ERR_LOG_CLOSED', 'The relay is used after its close()', { inDoubt })
}
