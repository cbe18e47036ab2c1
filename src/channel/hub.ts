import type * as Koa from 'koa'
import {
  checkCount,
  checkDrainOptions,
  checkFunction,
  type Drained,
  type DrainOptions,
  drain,
  shown,
} from '../koa/checks.js'
import { Channel } from './channel.js'
import { ChannelError } from './errors.js'
import { Feed } from './feed.js'
import { type ChannelOptions, type ChannelSettings, channelSettings } from './options.js'
import { publishedBy } from './publish.js'
import { refusing, subscriberOf } from './serve.js'
import { Subscription } from './subscription.js'

/** The options of a `Hub`: those of its channels, and how many one request may follow. */
export interface HubOptions extends ChannelOptions {
  /**
   * How many channels one request may follow. Default 100. Their cursor must fit into a request, too: it may have 12 KiB in a
   * query, where a name is encoded twice. That is enough for 100 names of 100 ASCII letters, or of 10 Cyrillic ones.
   */
  perRequest?: number | undefined
}

/** Which channel, or which channels, a request is about. */
export type Names = (ctx: Koa.Context) => string | readonly string[] | Promise<string | readonly string[]>

/**
 * Channels by name, with the same options and one log. A request can follow many of them with one cursor.
 *
 * @example
 * ```ts
 * const hub = new Hub()
 * hub.channel('lobby')
 * hub.channel('kitchen')
 *
 * router.get('/rooms', hub.subscriber((ctx) => String(ctx.query.names).split(',')))
 * router.post('/rooms/:name', hub.publisher((ctx) => ctx.params.name))
 * ```
 */
export class Hub implements Iterable<Channel> {
  readonly #options: ChannelOptions
  readonly #settings: ChannelSettings
  readonly #perRequest: number
  readonly #channels = new Map<string, Channel>()
  readonly #feed: Feed
  #draining = false

  /** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
  constructor(options: HubOptions = {}) {
    this.#settings = channelSettings('A Hub', options, ['perRequest'])
    const { perRequest = 100, ...others } = options
    checkCount('perRequest', perRequest, 1)
    this.#options = { ...others, log: this.#settings.log }
    this.#perRequest = perRequest
    this.#feed = new Feed(true, this.#settings)
  }

  /** How many channels there are. */
  get size(): number {
    return this.#channels.size
  }

  /** The channel of this name, made when it is not there yet. Others can follow it from then on. */
  channel(name: string): Channel {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = new Channel(name, this.#options)
      channel.tell(this.#feed)
      if (this.#draining) channel.waiters.refuse()
      this.#channels.set(name, channel)
    }
    return channel
  }

  /** The channel of this name, if there is one. */
  get(name: string): Channel | undefined {
    return this.#channels.get(name)
  }

  [Symbol.iterator](): IterableIterator<Channel> {
    return this.#channels.values()
  }

  /**
   * A handler that serves those who follow the channels that `names` says.
   *
   * Messages carry the name of their channel. A channel that the client's cursor does not know is followed from now. It
   * answers 404 `ERR_UNKNOWN_CHANNEL` for a name that `channel()` was never called with, 400 `ERR_TOO_MANY_CHANNELS`,
   * 400 `ERR_NO_CHANNEL`, and 400 `ERR_CURSOR_TOO_LONG` where no request could bring their cursor back.
   */
  subscriber(names: Names): Koa.Middleware {
    checkFunction('names', names)
    const follow = (ctx: Koa.Context, cursor: string | undefined, said: string | readonly string[]): Subscription => {
      const channels = this.#named(said)
      const followed = channels.map(({ name }) => name)
      const at = this.#feed.cursorOf(cursor, followed)
      // somebody may be asked first whether it may follow them
      const isOver = () => channels.some((channel) => this.#channels.get(channel.name) !== channel)
      return new Subscription(ctx, { channels, feed: this.#feed, cursor: at, settings: this.#settings, isOver })
    }
    return subscriberOf((ctx, { cursor }) => {
      const said = names(ctx)
      const isSaid = typeof said === 'string' || Array.isArray(said)
      return isSaid ? follow(ctx, cursor, said) : Promise.resolve(said).then((late) => follow(ctx, cursor, late))
    })
  }

  /** A handler that publishes to the channels that `names` says; see `Channel#publisher`. The receipts are a list. */
  publisher(names: Names): Koa.Middleware {
    checkFunction('names', names)
    return (context) => {
      const ctx = context as Koa.Context
      return refusing(ctx, async () => {
        const channels = this.#named(await names(ctx))
        const { data, event } = await publishedBy(ctx, this.#settings.backlog.bytes)
        const receipts = []
        for (const channel of channels) {
          receipts.push({
            channel: channel.name,
            ...(await channel.publish(data, { event: event as string | undefined })),
          })
        }
        ctx.status = receipts.some(({ woken }) => woken > 0) ? 201 : 202
        ctx.body = receipts
      })
    }
  }

  /** Sends home whoever follows any of the channels, those made later included; see `Channel#drain`. */
  async drain(options: DrainOptions = {}): Promise<Drained> {
    checkDrainOptions('drain()', options)
    this.#draining = true
    const here = new Set<Koa.Context['continuation']>()
    for (const channel of this) {
      channel.waiters.refuse()
      for (const continuation of channel.here) here.add(continuation)
    }
    return drain(here, options)
  }

  /** Sends everybody home and forgets the channel. Its messages stay in the log. */
  async delete(name: string): Promise<boolean> {
    const channel = this.#channels.get(name)
    this.#channels.delete(name)
    await channel?.close()
    return channel !== undefined
  }

  /** Closes every channel. The log is left to whoever opened it. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#channels.keys(), (name) => this.delete(name)))
  }

  #named(said: string | readonly string[]): Channel[] {
    // what is no list names none: whatever a client calls its length
    const isList = typeof said === 'object' && said !== null && Symbol.iterator in said
    const wanted = [...new Set(typeof said === 'string' ? [said] : isList ? said : [])]
    if (wanted.length === 0) throw new ChannelError(400, 'ERR_NO_CHANNEL', 'Which channel?')
    if (wanted.length > this.#perRequest) {
      const message = `A request may follow ${this.#perRequest} channels: got ${wanted.length}`
      throw new ChannelError(400, 'ERR_TOO_MANY_CHANNELS', message)
    }
    return wanted.map((name) => {
      const channel = this.#channels.get(name)
      if (channel === undefined) {
        const named =
          typeof name === 'string' ? JSON.stringify(name.slice(0, 100)) : `${shown(name)}: a name is a string`
        throw new ChannelError(404, 'ERR_UNKNOWN_CHANNEL', `There is no channel ${named}`)
      }
      return channel
    })
  }
}
