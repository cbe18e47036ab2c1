import type * as Koa from 'koa'
import type { Batch } from './batch.js'
import type { Channel, Seat } from './channel.js'
import type { Cursor } from './cursor.js'
import { ChannelError } from './errors.js'
import { Ear, type Listening } from './fan.js'
import type { Feed } from './feed.js'
import type { ChannelSettings } from './options.js'

type Outcome = Awaited<ReturnType<Koa.Context['continuation']['wait']>>

export interface Followed {
  readonly channels: readonly Channel[]
  readonly feed: Feed
  readonly cursor: Cursor
  readonly settings: ChannelSettings
  /** Nobody is to wait for these channels any more, by whatever handler this one came. */
  readonly isOver?: () => boolean
}

/** One request that follows channels from a cursor: reads what is new, and waits for more, with nothing lost between. */
export class Subscription {
  readonly ctx: Koa.Context
  readonly settings: ChannelSettings
  readonly #channels: readonly Channel[]
  readonly #feed: Feed
  readonly #isOver: () => boolean
  #cursor: Cursor
  #grown = -1
  /** In each of the channels. */
  #seats: readonly Seat[] = []
  #ears: readonly Ear[] | undefined

  constructor(ctx: Koa.Context, { channels, feed, cursor, settings, isOver = () => false }: Followed) {
    this.ctx = ctx
    this.settings = settings
    this.#channels = channels
    this.#feed = feed
    this.#isOver = isOver
    this.#cursor = cursor
  }

  /** What it is told carries the names of channels. */
  get named(): boolean {
    return this.#feed.named
  }

  /** The channels ring from now on, and know that this one is here. Nothing to wait for where they do already. */
  begin(): Promise<void> | undefined {
    if (this.#isOver()) return undefined
    for (const channel of this.#channels) {
      const readying = channel.ready()
      if (readying !== undefined) return readying.then(() => this.begin())
    }
    this.#seats = this.#channels.map((channel) => channel.join(this.ctx.continuation))
    return undefined
  }

  end(): void {
    for (const seat of this.#seats) seat.channel.leave(seat)
  }

  /** Before it is told anything. @throws {ChannelError} 403 `ERR_FORBIDDEN` where it was sent away while it did not wait */
  stay(): void {
    for (const { dismissal } of this.#seats) if (dismissal !== undefined) throw dismissal
  }

  /** Nothing to wait for where nobody is to be asked. @throws {ChannelError} 403 `ERR_FORBIDDEN` */
  authorize(): Promise<void> | undefined {
    this.stay()
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
    const { growth } = this
    const batch = this.peek(bytes)
    return batch instanceof Promise ? batch.then((read) => this.take(read, growth)) : this.take(batch, growth)
  }

  /** What is new; the next call gives it again, as long as it is not taken. */
  peek(bytes: number): Batch | Promise<Batch> {
    return this.#feed.read(this.#channels, this.#cursor, bytes)
  }

  /** @param growth of the channels, from before it was read */
  take(batch: Batch, growth: number): Batch {
    // behind news there may be more
    this.#grown = batch.news ? -1 : growth
    this.#cursor = batch.cursor
    return batch
  }

  /** Where the next call reads on. Another object whenever something was taken. */
  get cursor(): Cursor {
    return this.#cursor
  }

  /** What was taken last was not the end, or a channel has grown since its reading began. */
  get isBehind(): boolean {
    return this.growth !== this.#grown
  }

  /**
   * Waits for a channel to grow. Call it at once when `read` has found nothing: where a channel has grown since that
   * `read` began, it does not wait; nor where one was closed meanwhile, which has sent home those that waited.
   *
   * @throws {ChannelError} as `stay` does
   */
  wait(ms: number): Outcome | Promise<Outcome> {
    this.stay()
    const known = this.#known
    if (known !== undefined) return known
    const { continuation } = this.ctx
    // stashed first: an older request of the client makes room, and where nobody is to wait any more it does not begin
    for (const seat of this.#seats) if (!seat.channel.stash(seat)) return 'completed'
    return continuation.wait(ms)
  }

  /**
   * The same for one who need not be resumed to go on: it is told whenever a channel grows, until it calls `unlisten`. Where
   * somebody is to be asked whether it still may, or a newer request of its client takes its place, it waits as a poll does.
   */
  listen(ms: number, listening: Listening): Outcome | Promise<Outcome> {
    const { authorize, clientId } = this.settings
    if (authorize !== undefined || clientId !== undefined) return this.wait(ms)
    this.stay()
    const known = this.#known
    if (known !== undefined) return known
    const { continuation } = this.ctx
    const ears = this.#ears ?? this.#channels.map(() => new Ear(listening))
    this.#ears = ears
    for (const [place, channel] of this.#channels.entries()) channel.listen(continuation, ears[place] as Ear)
    return continuation.wait(ms)
  }

  unlisten(): void {
    for (const ear of this.#ears ?? []) ear.chain?.delete(ear)
  }

  /** How a wait would end at once. */
  get #known(): Outcome | undefined {
    if (this.isBehind) return 'resumed'
    if (this.#isOver()) return 'completed'
    return this.#channels.every(({ rings }) => rings) ? undefined : 'completed'
  }

  /** Grows when any of the channels does. */
  get growth(): number {
    let growth = 0
    for (const channel of this.#channels) growth += channel.growth
    return growth
  }
}
