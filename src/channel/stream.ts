import { CHANNELS, EVENT_STREAM } from '../client/wire.js'
import { DrainError } from '../koa/checks.js'
import type { Batch } from './batch.js'
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
  of(batch: Batch): Buffer
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
export async function stream(subscription: Subscription, { way }: Asked & { way: 'events' | 'lines' }): Promise<void> {
  const { ctx, settings } = subscription
  const { heartbeat, age, bytes, stall } = settings.stream
  const { res } = ctx
  const { continuation } = ctx
  const format = formats[way]
  const first = await subscription.read(PAGE)

  ctx.respond = false
  res.statusCode = 200
  res.setHeader('Content-Type', format.type)
  // compression would keep events back
  res.setHeader('Cache-Control', 'no-store, no-transform')
  res.setHeader('X-Accel-Buffering', 'no')

  const end = settings.now() + age
  let sent = 0
  const write = async (chunk: string | Buffer): Promise<boolean> => {
    sent += chunk.length
    return res.write(chunk) || drained()
  }
  const drained = async (): Promise<boolean> => {
    const resume = (): void => {
      continuation.resume()
    }
    const end = settings.now() + stall
    for (;;) {
      const waiting = continuation.wait(Math.max(1, end - settings.now()))
      res.once('drain', resume)
      const outcome = await waiting
      res.off('drain', resume)
      // a drain lets the time run out early: who takes what is written may still have all of it
      if (outcome === 'expired' && settings.now() < end) continue
      if (outcome === 'expired') res.destroy()
      return outcome === 'resumed'
    }
  }

  try {
    // a batch that says where it begins needs no start of its own
    const start = (subscription.named ? format.named : '') + (first.gap ? '' : format.start(first.start))
    let going = await write(Buffer.concat([Buffer.from(start), format.of(first)]))
    for (let news = first.news; going && sent < bytes; ) {
      if (!news) {
        const left = end - settings.now()
        if (left <= 0) break
        const outcome = await subscription.wait(Math.min(heartbeat, left))
        if (outcome === 'completed' || outcome === 'disconnected') break
        if (outcome === 'expired') {
          if (settings.now() < end) going = await write(format.heartbeat)
          continue
        }
        const authorizing = subscription.authorize()
        if (authorizing !== undefined) await authorizing
      }
      const batch = await subscription.read(PAGE)
      news = batch.news
      if (news) going = await write(format.of(batch))
    }
  } catch (error) {
    if (error instanceof DrainError) res.write(format.retry(Math.ceil((0.5 + 2 * settings.random()) * 1_000)))
    // there is no other way to tell a client in the middle of a stream; it comes back, and is refused by its status
    else if (!isRefusal(error)) ctx.app.emit('error', error, ctx)
  } finally {
    res.end()
  }
}

function isRefusal(error: unknown): boolean {
  return (error as { expose?: unknown } | null)?.expose === true
}
