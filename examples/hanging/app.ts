import Koa from 'koa'
import {
  type Continuation,
  type ContinuationContext,
  ContinuationManager,
  type ContinuationsOptions,
  continuations,
  type Drained,
  type DrainOptions,
} from 'koa-continuation'

export interface Hanging {
  readonly app: Koa
  /** All that wait, by event. */
  readonly waiting: ContinuationManager
  /** Answers all that wait under an event with `text`, by default the event's name. Returns how many. */
  fire(event: string, text?: string): number
  /** Answers all that wait; resolves when the last answer is with its socket. */
  drain(options?: DrainOptions): Promise<Drained>
}

/** Every request hangs until the event that its path names is fired. */
export function createApp(options?: ContinuationsOptions): Hanging {
  const app = new Koa()
  const waiting = new ContinuationManager()

  app.use(async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store')
    await next()
  })
  const boundary = continuations(options)
  app.use(boundary)

  app.use((ctx) => {
    const { continuation } = ctx
    const event = eventOf(ctx.path)
    if (continuation.isInitial()) {
      continuation.setAttribute('event', event)
      continuation.suspend()
      waiting.stash(continuation, event)
    } else if (continuation.isResumed()) {
      answer(ctx, 200, continuation.getAttribute('text'))
    } else {
      answer(ctx, 503, `Nobody fired "${event}" in time`)
    }
  })

  return {
    app,
    waiting,
    fire: (event, text = event) => waiting.resume(event, { text }),
    drain: (options) => boundary.drain({ ...options, end: sendAway }),
  }
}

/**
 * The event that a path names: `/respond` is `respond`, `/a/b%20c` is `a/b c`, and `/` is `index`.
 *
 * What cannot be decoded, or could not be typed and printed on one line, stays encoded.
 */
export function eventOf(path: string): string {
  const name = path.replace(/^\//, '') || 'index'
  try {
    const decoded = decodeURIComponent(name)
    if (isPrintable(decoded)) return decoded
  } catch {}
  return name.replace(/[^\x21-\x7e]+/gu, encodeURIComponent)
}

/** The path that names an event, with nothing in it that would end a word. */
export function pathOf(event: string): string {
  return `/${encodeURI(event)}`
}

/** No control characters and nothing invisible, and something to see at both ends. */
function isPrintable(name: string): boolean {
  return name !== '' && name === name.trim() && !/[\p{C}\p{Zl}\p{Zp}]/u.test(name)
}

function answer(ctx: ContinuationContext, status: number, text: unknown): void {
  ctx.status = status
  ctx.type = 'text/plain'
  ctx.body = text
}

function sendAway(continuation: Continuation): void {
  answer(continuation.context, 503, 'The server is going away')
  continuation.complete()
}
