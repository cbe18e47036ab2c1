import type * as Koa from 'koa'
import { turnsOf } from '../koa/boundary.js'
import {
  Chain,
  Chained,
  checkDrainOptions,
  checkFunction,
  checkOptions,
  type Drained,
  type DrainOptions,
  drain,
  invalid,
} from '../koa/checks.js'
import type { Log } from '../log/log.js'
import { ContinuationManager } from '../manager/manager.js'
import { ChannelError } from './errors.js'
import { type Ear, Fan } from './fan.js'
import { Feed } from './feed.js'
import { type ChannelOptions, type ChannelSettings, channelSettings } from './options.js'
import { isWhole, messageOf, publishedBy, type Receipt } from './publish.js'
import { refusing, subscriberOf } from './serve.js'
import { Subscription } from './subscription.js'

type Continuation = Koa.Context['continuation']

/** @internal Where a request stands among those of a channel. */
export class Seat extends Chained<Seat> {
  readonly channel: Channel
  readonly continuation: Continuation
  /** Who came later has a higher one. */
  readonly number: number
  /** Who it is, once it has waited, and where somebody says so. */
  client: string | undefined
  /** What it was sent away with while it did not wait. */
  dismissal: ChannelError | undefined

  constructor(channel: Channel, continuation: Continuation, number: number) {
    super()
    this.channel = channel
    this.continuation = continuation
    this.number = number
  }
}

/** A message that is on its way into the log. */
class Publishing extends Chained<Publishing> {
  /** How many requests were woken for it. */
  woken = 0
}

/** Under which those wait that listen: they are told of news, not resumed. */
const LISTENING = Symbol('listening')

/**
 * Messages for whoever follows: kept in a bounded log, and read from cursors.
 *
 * - Who polls, comes back and polls again misses nothing in between: the cursor says where to read on.
 * - What was lost all the same (too old, a log that began anew) is said, never hidden.
 * - One endpoint serves plain polls, long polls, server-sent events and NDJSON, by what the request asks for.
 * - A message is written out once, however many wait for it.
 *
 * @example
 * ```ts
 * const news = new Channel('news')
 *
 * router.get('/news', news.subscriber())
 * router.post('/news', news.publisher())
 * ```
 */
export class Channel {
  /** By which a log and a hub know it. */
  readonly name: string
  /** Those that wait for the channel to grow. */
  readonly waiters: ContinuationManager
  readonly #settings: ChannelSettings
  readonly #feeds = new Set<Feed>()
  readonly #here = new Chain<Seat>()
  #joined = 0
  /** Of each client, who came last of its requests that have waited and are here. */
  readonly #newest = new Map<string, Seat>()
  /** Nearly always there is one. */
  #fans: Fan[] = []
  /** Of its own subscribers, however many handlers there are of them. */
  #feed: Feed | undefined
  #growth = 0
  /** In order of their calls. */
  readonly #publishing = new Chain<Publishing>()
  #tailing: Promise<() => void> | undefined
  /** The log rings. */
  #rings = false

  /**
   * @param name any string but the empty one, and none that ends or begins within a character
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   */
  constructor(name: string, options: ChannelOptions = {}) {
    if (typeof name !== 'string' || name === '' || !isWhole(name)) {
      throw invalid("A channel's name", 'a string of whole characters', name)
    }
    this.name = name
    this.#settings = channelSettings('A Channel', options)
    const { clientId } = this.#settings
    this.waiters = new ContinuationManager(clientId === undefined ? {} : { clientId, second: 'replace' })
  }

  /** Where its messages live. */
  get log(): Log {
    return this.#settings.log
  }

  /** How many requests are here: those that wait, and streams. */
  get size(): number {
    return this.#here.size
  }

  /** Grows with every ring of the log: who looks at it before and after sees whether the channel may have grown. */
  get growth(): number {
    return this.#growth
  }

  /**
   * Appends a message, and wakes whoever waits.
   *
   * @param data anything that JSON can hold
   * @returns the message's id, and how many requests were woken in this process: each counts for one message, of several
   *   that are published at the same time for the first
   * @throws {TypeError} `ERR_INVALID_OPTION` for options that are not known or no object
   * @throws {ChannelError} `ERR_UNSERIALISABLE`, `ERR_INVALID_EVENT`, `ERR_MESSAGE_TOO_LARGE`; rejects with what the log
   *   rejects with
   * @example
   * ```ts
   * const { id, woken } = await news.publish({ text: 'it rains' }, { event: 'weather' })
   * ```
   */
  async publish(data: unknown, options: { event?: string | undefined } = {}): Promise<Receipt> {
    checkOptions('publish()', options, ['event'])
    const { log, backlog } = this.#settings
    const message = messageOf(data, options.event, backlog.bytes)
    const publishing = new Publishing()
    this.#publishing.push(publishing)
    try {
      const { epoch, seq } = await log.append(this.name, message, backlog)
      // the log rings by itself, soon; who waits here need not wait for that
      publishing.woken += this.#ring()
      return { id: `${epoch}-${seq}`, woken: publishing.woken }
    } finally {
      this.#publishing.delete(publishing)
    }
  }

  /**
   * A handler that serves those who follow this channel. It needs no boundary above; under `continuations()` that one's
   * limits hold.
   */
  subscriber(): Koa.Middleware {
    this.#feed ??= this.feed(false)
    const feed = this.#feed
    const channels = [this]
    const names = [this.name]
    return subscriberOf((ctx, { cursor }) => {
      return new Subscription(ctx, { channels, feed, cursor: feed.cursorOf(cursor, names), settings: this.#settings })
    })
  }

  /**
   * A handler that publishes what is posted as `{"data":…,"event":…}`: 201 with the receipt when somebody was woken, else
   * 202. Put what decides who may publish above it.
   */
  publisher(): Koa.Middleware {
    // here, so that it fails where it is handed over without being called: else it would take messages, and lose them
    const { bytes } = this.#settings.backlog
    return (context) => {
      const ctx = context as Koa.Context
      return refusing(ctx, async () => {
        const { data, event } = await publishedBy(ctx, bytes)
        const receipt = await this.publish(data, { event: event as string | undefined })
        ctx.status = receipt.woken > 0 ? 201 : 202
        ctx.body = receipt
      })
    }
  }

  /**
   * Sends away those requests of this channel that `whom` picks: a poll is answered 403, a stream ends behind what is
   * written. One that is just being asked for, or reads, goes when that is done, and is told nothing more. It is up to
   * `authorize` that they stay away.
   *
   * @returns how many
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no function, or answers with a promise
   * @example
   * ```ts
   * router.post('/logout', (ctx) => {
   *   ctx.body = { sentAway: news.drop((other) => other.get('x-user') === ctx.get('x-user')) }
   * })
   * ```
   */
  drop(whom: (ctx: Koa.Context) => boolean): number {
    checkFunction('whom', whom)
    let dropped = 0
    for (const seat of [...this.#here]) {
      const { continuation } = seat
      const answer: unknown = whom(continuation.context)
      // a promise would pick everybody
      if (answer instanceof Promise) throw invalid('What whom answers', 'true or false', answer)
      if (!answer) continue
      dropped++
      const error = new ChannelError(403, 'ERR_FORBIDDEN', 'You were sent away')
      // one that is woken, is asked for, or reads finds it before it is told anything
      if (!continuation.isSuspended() || !continuation.fail(error)) seat.dismissal = error
    }
    return dropped
  }

  /**
   * Sends everybody home, and lets nobody wait any more: who asks is answered what is new, and where there is nothing new,
   * 503. Polls are answered 204, streams end and are told when to come back; each at a random moment of a time that
   * depends on how many they are. Publishing goes on.
   *
   * @returns resolves when all have their answers, at the latest when the timeout is over
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
   * @example
   * ```ts
   * process.once('SIGTERM', async () => {
   *   await news.drain({ timeout: 5_000 })
   *   server.close()
   * })
   * ```
   */
  async drain(options: DrainOptions = {}): Promise<Drained> {
    checkDrainOptions('drain()', options)
    this.waiters.refuse()
    return drain(this.here, options)
  }

  /** @internal Those that are here. */
  get here(): Continuation[] {
    return Array.from(this.#here, ({ continuation }) => continuation)
  }

  /** Sends everybody home, polls with 204, and lets go of the log's bell. The messages stay where they are. */
  async close(): Promise<void> {
    this.waiters.complete()
    this.waiters.complete(LISTENING)
    const stopping = this.#tailing?.then((stop) => stop())
    const { rings } = this
    this.#tailing = undefined
    this.#rings = false
    if (rings) await stopping
    // what has not begun may never do so, or fail: that is for those to hear who wait for it
    else stopping?.catch(() => {})
  }

  /** @internal A reader that is told when what it has read is no longer all there is. */
  feed(named: boolean): Feed {
    const feed = new Feed(named, this.#settings)
    this.#feeds.add(feed)
    return feed
  }

  /** @internal The same for a reader of several channels. */
  tell(feed: Feed): void {
    this.#feeds.add(feed)
  }

  /** @internal The log rings when this has resolved. Nothing to wait for where it does already. */
  ready(): Promise<void> | undefined {
    return this.#rings ? undefined : this.#readied()
  }

  async #readied(): Promise<void> {
    this.#tailing ??= this.log.tail(this.name, () => this.#rung())
    const tailing = this.#tailing
    try {
      await tailing
      if (this.#tailing !== tailing || this.#rings) return
      this.#rings = true
      // since a `close()` it may have grown without a ring
      this.#ring()
    } catch (error) {
      // the next one tries again
      if (this.#tailing === tailing) this.#tailing = undefined
      throw error
    }
  }

  /** @internal Who is here hears of what comes. After `close()` it does not, until somebody else follows. */
  get rings(): boolean {
    return this.#rings
  }

  /** @internal */
  join(continuation: Continuation): Seat {
    const seat = new Seat(this, continuation, ++this.#joined)
    this.#here.push(seat)
    return seat
  }

  /** @internal */
  leave(seat: Seat): void {
    this.#here.delete(seat)
    if (seat.client && this.#newest.get(seat.client) === seat) this.#newest.delete(seat.client)
  }

  /**
   * @internal It is to wait: an older request of its client makes room. One that was busy until a newer one came is the older one itself.
   *
   * @returns whether it may
   */
  stash(seat: Seat): boolean {
    const { continuation } = seat
    seat.client ??= this.#settings.clientId?.(continuation.context)
    const newest = seat.client ? this.#newest.get(seat.client) : undefined
    if (newest !== undefined && newest.number > seat.number) return false
    this.waiters.stash(continuation)
    if (seat.client) this.#newest.set(seat.client, seat)
    return true
  }

  /** @internal It waits as others do, and is told whenever the channel grows, until it leaves its chain. */
  listen(continuation: Continuation, ear: Ear): void {
    this.waiters.stash(continuation, LISTENING)
    this.#fanOf(continuation).push(ear)
  }

  #fanOf(continuation: Continuation): Fan {
    const turns = turnsOf(continuation)
    const { priority } = continuation
    let fan = this.#fans.find((one) => one.turns === turns && one.priority === priority)
    if (fan === undefined) {
      fan = new Fan(turns, priority)
      this.#fans = [...this.#fans.filter(({ size }) => size > 0), fan]
    }
    return fan
  }

  /** By the log, which does not say for which message. */
  #rung(): void {
    const woken = this.#ring()
    const { first } = this.#publishing
    if (first !== undefined) first.woken += woken
  }

  /** @returns how many it woke */
  #ring(): number {
    this.#growth++
    for (const feed of this.#feeds) feed.forget()
    let listening = 0
    let woken = 0
    for (const fan of this.#fans) {
      listening += fan.size
      woken += fan.grown()
    }
    // all at once is quicker
    return woken + (listening === 0 ? this.waiters.broadcast() : this.waiters.resume())
  }
}
