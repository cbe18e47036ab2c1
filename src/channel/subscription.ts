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

  /** The channels ring from now on, and know that this one is here. */
  async begin(): Promise<void> {
    for (const channel of this.#channels) await channel.ready()
    this.#seats = this.#channels.map((channel) => channel.join(this.ctx.continuation))
  }

  end(): void {
    for (const seat of this.#seats) seat.chain?.delete(seat)
  }

  /** @throws {ChannelError} 403 `ERR_FORBIDDEN` */
  async authorize(): Promise<void> {
    const { authorize } = this.settings
    if (authorize === undefined) return
    for (const { name } of this.#channels) {
      if ((await authorize(this.ctx, name)) === false) {
        throw new ChannelError(403, 'ERR_FORBIDDEN', `You may not follow ${JSON.stringify(name)}`)
      }
    }
  }

  /** What is new, at most about so many bytes of each channel. The next call reads on behind it. */
  async read(bytes = Number.POSITIVE_INFINITY): Promise<Batch> {
    this.#grown = this.#growth()
    const batch = await this.#feed.read(this.#channels, this.#cursor, bytes)
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
