import type * as Koa from 'koa'
import { CHANNELS, EVENT_STREAM } from '../client/wire.js'
import { DrainError } from '../koa/checks.js'
import { type Chunk, type Full, write, writeChunk } from '../koa/chunk.js'
import { cutOff, isClosed } from '../koa/connection.js'
import type { Batch } from './batch.js'
import type { Listening } from './fan.js'
import type { Asked } from './request.js'
import type { Subscription } from './subscription.js'

/** How much is read and written at once: about what a socket takes. */
const PAGE = 65_536

interface Format {
  readonly type: string
  /** What comes before everything else, where the messages are of several channels. */
  readonly named: string
  /** Tells the place before the first message, so that a reader who is cut off at once can come back. */
  start(place: string): string
  of(batch: Batch): Chunk
  readonly heartbeat: string
  /** Tells the reader to come back after so many milliseconds, where there is a way to say it. */
  retry(ms: number): string
}

const formats: Record<'events' | 'lines', Format> = {
  events: {
    type: `${EVENT_STREAM}; charset=utf-8`,
    named: `:${CHANNELS}\n`,
    // an event without data is not dispatched, and yet its id counts
    start: (place) => `id: ${place}\n\n`,
    of: ({ events }) => events,
    heartbeat: ':\n\n',
    retry: (ms) => `retry: ${ms}\n\n`,
  },
  lines: {
    type: 'application/x-ndjson; charset=utf-8',
    named: '',
    start: (place) => `{"cursor":${JSON.stringify(place)}}\n`,
    of: ({ lines }) => lines,
    heartbeat: '\n',
    retry: () => '',
  },
}

/**
 * Writes what is new as it comes, until the client leaves or the stream is old enough; then the client comes back.
 *
 * It reads from the log only as much as the socket takes, so a reader that stalls costs no more than what is on its way
 * to it; if it stalls for too long it is cut off.
 */
export function stream(subscription: Subscription, { way }: Asked & { way: 'events' | 'lines' }): Promise<void> {
  return new Stream(subscription, formats[way]).run()
}

/**
 * One that is up to date waits, and goes on waiting while it writes what comes: that takes no promise, no timer and no place in a
 * manager anew. Whatever else there is to do it does between two waits.
 */
class Stream implements Listening {
  readonly #subscription: Subscription
  readonly #format: Format
  readonly #end: number
  /** The head is written: until then it can be refused by its status. */
  #begun = false
  /** Bytes. */
  #sent = 0
  /** When it was written to. */
  #last: number
  /** It waits, and what comes is written meanwhile. */
  #listens = false
  /** What comes is on its way from the log. */
  #reads = false
  /** It takes nothing more for now. */
  #full: Full | undefined
  readonly #continuation: Koa.Context['continuation']

  constructor(subscription: Subscription, format: Format) {
    this.#continuation = subscription.ctx.continuation
    this.#subscription = subscription
    this.#format = format
    this.#last = subscription.settings.now()
    this.#end = this.#last + subscription.settings.stream.age
  }

  /** One function and no more: what waits in each is kept for as long as the stream. */
  async run(): Promise<void> {
    const subscription = this.#subscription
    const { ctx, settings } = subscription
    const { heartbeat } = settings.stream
    const { res } = ctx
    const format = this.#format
    try {
      const first = await subscription.read(PAGE)
      // a batch that says where it begins needs no start of its own
      const start = (subscription.named ? format.named : '') + (first.gap ? '' : format.start(first.start))
      let going = true
      if (first.news) {
        subscription.stay()
        this.#begin()
        going = await this.#write(Buffer.concat([Buffer.from(start), format.of(first).bytes]))
      }
      for (let news = first.news; going && !(this.#begun && this.#isOver); ) {
        if (!news) {
          const last = this.#last
          const left = Math.min(last + heartbeat, this.#end) - settings.now()
          this.#listens = true
          const waiting = subscription.listen(Math.max(1, left), this)
          if (!this.#begun) {
            // who may not wait is told so by the status: that is known before anything is written
            const waits = this.#continuation.phase === 'suspended'
            if (!waits) await waiting
            this.#begin()
            this.#written(start.length, write(res, start))
            // of a client that has left meanwhile nothing is taken, and it waits for nothing
            if (waits && this.#full !== undefined) this.#continuation.resume()
          }
          const outcome = await waiting
          this.#listens = false
          subscription.unlisten()
          if (outcome === 'completed' || outcome === 'disconnected') break
          if (this.#full !== undefined) {
            going = await this.#drained()
            continue
          }
          if (outcome === 'expired') {
            if (this.#last === last && !this.#isOld) going = await this.#write(format.heartbeat)
            continue
          }
        }
        const batch = await subscription.read(PAGE)
        news = batch.news
        if (!news) continue
        // a backlog may take its reader long: before each page, and not only before what comes
        const authorizing = subscription.authorize()
        if (authorizing !== undefined) await authorizing
        subscription.stay()
        going = await this.#write(format.of(batch).bytes)
      }
    } catch (error) {
      if (!this.#begun) throw error
      if (error instanceof DrainError && !this.#isEnded) {
        res.write(format.retry(Math.ceil((0.5 + 2 * settings.random()) * 1_000)))
      }
      // there is no other way to tell a client in the middle of a stream; it comes back, and is refused by its status
      else if (!isRefusal(error)) ctx.app.emit('error', error, ctx)
    } finally {
      this.#listens = false
      subscription.unlisten()
      if (this.#begun) res.end()
    }
  }

  #begin(): void {
    this.#begun = true
    const { ctx } = this.#subscription
    const { res } = ctx
    ctx.respond = false
    res.statusCode = 200
    res.setHeader('Content-Type', this.#format.type)
    // compression would keep events back
    res.setHeader('Cache-Control', 'no-store, no-transform')
    res.setHeader('X-Accel-Buffering', 'no')
  }

  /** @returns whether to go on */
  async #write(chunk: string | Buffer): Promise<boolean> {
    const { res } = this.#subscription.ctx
    // a message may be far larger than what a slow client takes in time, and yet it takes all the while
    const part = (from: number, to?: number) => (typeof chunk === 'string' ? chunk : chunk.subarray(from, to))
    let place = 0
    try {
      while (place < chunk.length) {
        if (this.#isEnded) return false
        const next = part(place, place + PAGE)
        place += PAGE
        this.#written(next.length, write(res, next))
        if (!(await this.#drained())) return false
      }
      return true
    } finally {
      // nothing may come into the midst of a message
      if (place < chunk.length && !this.#isEnded) res.write(part(place))
    }
  }

  #written(bytes: number, full: Full | undefined): void {
    this.#sent += bytes
    this.#last = this.#subscription.settings.now()
    this.#full = full
    full?.once('drain', this.#empty)
  }

  get #isOld(): boolean {
    return this.#subscription.settings.now() >= this.#end
  }

  get #isOver(): boolean {
    return this.#sent >= this.#subscription.settings.stream.bytes || this.#isOld || this.#isEnded
  }

  /** By somebody else: it may take long until all of it is sent, and nothing may come behind it. */
  get #isEnded(): boolean {
    const { res } = this.#subscription.ctx
    return res.writableEnded || isClosed(res)
  }

  readonly #empty = (): void => {
    this.#full = undefined
    this.#continuation.resume()
  }

  /** Waits until what is written has been taken. @returns whether to go on */
  async #drained(): Promise<boolean> {
    const { ctx, settings } = this.#subscription
    const end = settings.now() + settings.stream.stall
    while (this.#full !== undefined && !this.#isEnded) {
      const outcome = await this.#continuation.wait(Math.max(1, end - settings.now()))
      if (outcome === 'completed' || outcome === 'disconnected') return false
      // a drain of the server lets the time run out early: who takes what is written may still have all of it
      if (outcome === 'expired' && settings.now() >= end) {
        cutOff(ctx)
        return false
      }
      this.#subscription.stay()
    }
    return true
  }

  /** It waits, and nobody has decided or ended anything. */
  get #isListening(): boolean {
    const { phase } = this.#continuation
    return this.#listens && (phase === 'suspended' || phase === 'parking') && !this.#isEnded
  }

  news(): void {
    try {
      if (!this.#reads) this.#tell()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Writes what has come. */
  #tell(): void {
    const subscription = this.#subscription
    while (this.#isListening) {
      const { growth } = subscription
      const batch = subscription.peek(PAGE)
      if (batch instanceof Promise) {
        this.#reads = true
        this.#tellLate(batch, growth)
        return
      }
      this.#pass(batch, growth)
      if (!batch.news) return
    }
  }

  async #tellLate(reading: Promise<Batch>, growth: number): Promise<void> {
    const subscription = this.#subscription
    const { cursor } = subscription
    try {
      const batch = await reading
      this.#reads = false
      // where it did not listen all the time, it may have read on from there by itself
      if (this.#isListening && subscription.cursor === cursor) this.#pass(batch, growth)
      if (batch.news || subscription.isBehind) this.#tell()
    } catch (error) {
      this.#reads = false
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    // a log may reject with nothing at all
    if (this.#listens) this.#continuation.fail(error ?? new Error('The channel could not be read', { cause: error }))
  }

  /** Writes a batch without waiting for anything. */
  #pass(batch: Batch, growth: number): void {
    const { ctx, settings } = this.#subscription
    const chunk = this.#format.of(batch)
    // that is written in parts, with waits between them
    if (chunk.bytes.length > PAGE) {
      this.#continuation.resume()
      return
    }
    this.#subscription.take(batch, growth)
    if (!batch.news) return
    const full = writeChunk(ctx.res, chunk)
    this.#written(chunk.bytes.length, full)
    if (full !== undefined || this.#sent >= settings.stream.bytes) this.#continuation.resume()
  }
}

function isRefusal(error: unknown): boolean {
  return (error as { expose?: unknown } | null)?.expose === true
}
