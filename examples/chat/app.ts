import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import { buildSync } from 'esbuild'
import Koa from 'koa'
import { type ChannelOptions, continuations, type Log } from 'koa-continuation'
import { Hall } from './hall.js'
import { Presence } from './presence.js'
import { Refusal, refusals } from './refusal.js'

export interface ChatOptions {
  /** Where the room is: servers with the same log have the same room. */
  log: Log
  /** Milliseconds between signs of life. Default 4 000; who was not seen for three of them has left. */
  beat?: number
  channel?: ChannelOptions
}

export interface Chat {
  readonly app: Koa
  readonly hall: Hall
  /** Lets go of the log, which stays open. */
  close(): Promise<void>
}

const NAME = 30
const TEXT = 2_000

/** A chat room. Where its log lives decides how many servers there may be; nothing in here does. */
export function createApp({ log, beat = 4_000, channel }: ChatOptions): Chat {
  const app = new Koa()
  const router = new Router()
  const hall = new Hall(log, { stream: { heartbeat: 5_000 }, ...channel })
  const presence = new Presence(hall, log, beat)
  const body = bodyParser({ jsonLimit: '16kb', onError: notReadable })

  router.get('/', (ctx) => {
    ctx.type = 'html'
    ctx.body = page
  })

  router.get('/page.js', (ctx) => {
    ctx.type = 'js'
    ctx.body = script
  })

  router.get('/people', async (ctx) => {
    await hall.open()
    ctx.body = hall.state()
  })

  router.post('/people', body, async (ctx) => {
    const id = idOf(ctx)
    ctx.body = { id, ...(await hall.join(id, textIn(ctx, 'name', NAME))) }
  })

  router.delete('/people', async (ctx) => {
    await hall.open()
    await hall.publish({ event: 'leave', data: { id: idOf(ctx), at: Date.now() } })
    ctx.status = 204
  })

  // a page that is left cannot send headers any more
  router.post('/people/going', body, async (ctx) => {
    await presence.going(idOf(ctx))
    ctx.status = 204
  })

  router.post('/messages', body, async (ctx) => {
    await hall.open()
    const id = idOf(ctx)
    const text = textIn(ctx, 'text', TEXT)
    if (hall.people[id] === undefined) throw new Refusal(403, 'ERR_NOT_HERE', 'Come in first')
    await hall.publish({ event: 'say', data: { id, text, at: Date.now() } })
    ctx.status = 201
    ctx.body = {}
  })

  router.get(
    '/room',
    async (ctx, next) => {
      if (ctx.get('x-key') !== '') presence.holds(ctx, idOf(ctx))
      await next()
    },
    hall.channel.subscriber(),
  )

  // a connection that a client has torn down is no error of ours
  app.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') app.onerror(error)
  })
  app.use(refusals)
  app.use(continuations())
  app.use(router.routes())
  app.use(router.allowedMethods())

  presence.begin()
  return {
    app,
    hall,
    async close() {
      presence.close()
      await hall.close()
    },
  }
}

const page = readFileSync(new URL('page.html', import.meta.url))

const script = buildSync({
  entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  write: false,
}).outputFiles[0]?.text

/** Everybody may know an id; who has the key that it is made of may speak for it. */
function idOf(ctx: Koa.Context): string {
  const { key = ctx.get('x-key') } = (ctx.request.body ?? {}) as { key?: unknown }
  if (typeof key !== 'string' || !/^[\w-]{16,64}$/.test(key)) {
    throw new Refusal(401, 'ERR_NO_KEY', 'Send a key of your own as x-key: 16 to 64 letters and digits, made at random')
  }
  return createHash('sha256').update(key).digest('base64url').slice(0, 12)
}

function textIn(ctx: Koa.Context, name: string, longest: number): string {
  const given = (ctx.request.body as Record<string, unknown> | undefined)?.[name]
  const text = typeof given === 'string' ? given.trim() : ''
  // Intl.Segmenter would count what the eye does; this is what is stored
  if (text === '' || text.length > longest) {
    throw new Refusal(400, `ERR_INVALID_${name.toUpperCase()}`, `"${name}" must be a text of 1 to ${longest} letters`)
  }
  return text
}

function notReadable({ status = 400, message }: Error & { status?: number }): never {
  throw new Refusal(status, status === 413 ? 'ERR_TOO_LARGE' : 'ERR_INVALID_BODY', `Cannot read the body: ${message}`)
}
