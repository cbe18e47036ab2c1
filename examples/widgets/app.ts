import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import { buildSync } from 'esbuild'
import Koa from 'koa'
import { type ChannelOptions, continuations } from 'koa-continuation'
import { Board } from './board.js'
import { Refusal, refusals } from './refusal.js'
import type { Widgets } from './state.js'
import { changesOf, initialWidgets } from './widgets.js'

export interface WidgetsOptions {
  /** What widgets showed before, for those that are to go on from there. */
  initial?: Widgets
  /** Of the channel on which the changes are told. */
  channel?: ChannelOptions
}

export interface WidgetsApp {
  readonly app: Koa
  readonly board: Board
}

/** A dashboard: pages take the present state, then follow the changes to it. */
export function createApp({ initial = {}, channel }: WidgetsOptions = {}): WidgetsApp {
  const app = new Koa()
  const router = new Router()
  // a page takes more than 5 s of silence for a connection that is lost
  const board = new Board(initialWidgets(initial), { stream: { heartbeat: 2_000 }, ...channel })

  router.get('/', (ctx) => {
    ctx.type = 'html'
    ctx.body = page
  })

  router.get('/page.js', (ctx) => {
    ctx.type = 'js'
    ctx.body = script
  })

  router.get('/state', async (ctx) => {
    ctx.body = await board.state()
  })

  router.get('/changes', board.channel.subscriber())

  router.post('/widgets', bodyParser({ jsonLimit: '64kb', formLimit: '64kb', onError: notReadable }), async (ctx) => {
    if (!ctx.is('json', 'urlencoded')) throw new Refusal(415, 'ERR_INVALID_BODY', 'Send JSON, or a form')
    const widgets = changesOf(ctx.request.body)
    const { id } = await board.change(widgets)
    ctx.body = { cursor: id, widgets }
  })

  app.use(refusals)
  app.use(continuations())
  app.use(router.routes())
  app.use(router.allowedMethods())

  return { app, board }
}

const page = readFileSync(new URL('page.html', import.meta.url))

const script = buildSync({
  entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  write: false,
}).outputFiles[0]?.text

function notReadable({ status = 400, message }: Error & { status?: number }): never {
  throw new Refusal(status, status === 413 ? 'ERR_TOO_LARGE' : 'ERR_INVALID_BODY', `Cannot read the body: ${message}`)
}
