import { readFileSync } from 'node:fs'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import { type Boundary, ContinuationManager, type ContinuationsOptions, continuations } from 'koa-continuation'

export interface Comet {
  readonly app: Koa
  /** Holds all that wait. */
  readonly boundary: Boundary
}

/** Subscribers wait with a GET until somebody publishes: three ways to write the same thing, side by side. */
export function createApp(options?: ContinuationsOptions): Comet {
  const app = new Koa()
  const router = new Router()

  /** Those that get the message as an attribute. */
  const resumable = new ContinuationManager()
  /** Those whose answer the publisher writes. */
  const completable = new ContinuationManager()

  // 1. Suspend, stash, return. A resume dispatches the request again, through this same handler.
  router.get('/subscribe', (ctx) => {
    const { continuation } = ctx
    if (continuation.isInitial()) {
      continuation.suspend()
      resumable.stash(continuation)
    } else if (continuation.isResumed()) {
      answer(ctx, continuation.getAttribute('message'))
    } else {
      ctx.status = 204
    }
  })

  // 2. Whoever publishes writes the answer. Only a timeout comes back here.
  router.get('/subscribe/complete', (ctx) => {
    const { continuation } = ctx
    if (continuation.isExpired()) {
      ctx.status = 204
      return
    }
    continuation.suspend()
    completable.stash(continuation)
  })

  // 3. Await it in place.
  router.get('/subscribe/wait', async (ctx) => {
    const { continuation } = ctx
    const waiting = continuation.wait()
    resumable.stash(continuation)
    if ((await waiting) === 'resumed') answer(ctx, continuation.getAttribute('message'))
    else ctx.status = 204
  })

  router.post('/publish', bodyParser({ formLimit: '64kb', jsonLimit: '64kb', onError: refuse }), (ctx) => {
    const message = messageOf(ctx)
    for (const { context } of completable) answer(context, message)
    completable.complete()
    resumable.broadcast({ message })
    ctx.body = 'ok'
  })

  router.get('/waiting', (ctx) => {
    ctx.body = { waiting: resumable.size + completable.size }
  })

  router.get('/', (ctx) => {
    ctx.type = 'html'
    ctx.body = page
  })

  const boundary = continuations(options)
  app.use(notStored)
  app.use(boundary)
  app.use(router.routes())
  app.use(router.allowedMethods())

  return { app, boundary }
}

const page = readFileSync(new URL('page.html', import.meta.url))

/** Always as plain text: a message that looks like HTML stays what it is. */
function answer(ctx: Koa.Context, message: unknown): void {
  ctx.type = 'text/plain'
  ctx.body = message
}

/** From a form, from JSON, or from the query. */
function messageOf(ctx: Koa.Context): string {
  const { message } = { ...ctx.query, ...(ctx.request.body as object) } as { message?: unknown }
  if (typeof message === 'string' && message !== '') return message
  return ctx.throw(400, 'Send one message, a text: as a form, as JSON {"message": "…"}, or as ?message=…')
}

/** What the body parser could not read is the sender's fault, and the sender is told. */
function refuse(error: Error & { status?: number }, ctx: Koa.Context): never {
  return ctx.throw(error.status ?? 400, `Cannot read the body: ${error.message}`)
}

/** No cache may keep an answer, nor let one poll wait for the answer to another. */
async function notStored(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  ctx.set('Cache-Control', 'no-store')
  await next()
}
