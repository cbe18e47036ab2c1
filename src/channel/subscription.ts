import type Koa from 'koa'
import type { Batch } from './batch.js'
import type { Channel, Seat } from './channel.js'
import type { Cursor } from './cursor.js'
import { ChannelError } from './errors.js'
import type { Feed } from './feed.js'
import type { ChannelSettings } from './options.js'

type Outcome = Awaited<ReturnType<Koa.Context['continuation']['wait']>>

/** One request that follows channels from a cursor: reads what is new, and waits for more, with nothing lost between. */
export class Subscription {
  readonly ctx: Koa.Context
  readonly settings: ChannelSettings
  readonly #channels: readonly Channel[]
  readonly #feed: Feed
  #cursor: Cursor
  #grown = -1
  /** In each of the channels. */
  #seats: readonly Seat[] = []

  constructor(
    ctx: Koa.Context,
    {
      channels,
      feed,
      cursor,
      settings,
    }: { channels: readonly Channel[]; feed: Feed; cursor: Cursor; settings: ChannelSettings },
  ) {
    this.ctx = ctx
    this.settings = settings
    this.#channels = channels
    this.#feed = feed
    this.#cursor = cursor
  }

  /** What it is told carries the names of channels. */
  get named(): boolean {
    return this.#feed.named
  }

  /** The channels ring from now on, and know that this one is here. Nothing to wait for where they do already. */
  begin(): Promise<void> | undefined {
    for (const channel of this.#channels) {
      const readying = channel.ready()
      if (readying !== undefined) return readying.then(() => this.begin())
    }
    this.#seats = this.#channels.map((channel) => channel.join(this.ctx.continuation))
    return undefined
  }

  end(): void {
    for (const seat of this.#seats) seat.chain?.delete(seat)
  }

  /** Nothing to wait for where nobody is to be asked. @throws {ChannelError} 403 `ERR_FORBIDDEN` */
  authorize(): Promise<void> | undefined {
    return this.settings.authorize === undefined ? undefined : this.#ask(this.settings.authorize)
  }

  async #ask(authorize: NonNullable<ChannelSettings['authorize']>): Promise<void> {
    for (const { name } of this.#channels) {
      if ((await authorize(this.ctx, name)) === false) {
        throw new ChannelError(403, 'ERR_FORBIDDEN', `You may not follow ${JSON.stringify(name)}`)
      }
    }
  }

  /**
   * What is new, at most about so many bytes of each channel. The next call reads on behind it. Nothing to wait for where
   * somebody else has read the same.
   */
  read(bytes = Number.POSITIVE_INFINITY): Batch | Promise<Batch> {
    this.#grown = this.#growth()
    const batch = this.#feed.read(this.#channels, this.#cursor, bytes)
    return batch instanceof Promise ? batch.then((read) => this.#readOn(read)) : this.#readOn(batch)
  }

  #readOn(batch: Batch): Batch {
    this.#cursor = batch.cursor
    return batch
  }

  /**
   * Waits for a channel to grow. Call it at once when `read` has found nothing: where a channel has grown since that
   * `read` began, it does not wait.
   */
  wait(ms: number): Outcome | Promise<Outcome> {
    if (this.#growth() !== this.#grown) return 'resumed'
    const { continuation } = this.ctx
    // stashed first: an older request of the client makes room, and where nobody is to wait any more it does not begin
    for (const channel of this.#channels) channel.waiters.stash(continuation)
    return continuation.wait(ms)
  }

  #growth(): number {
    let growth = 0
    for (const channel of this.#channels) growth += channel.growth
    return growth
  }
}
