import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import Router from '@koa/router'
import Koa from 'koa'
import { qos } from '../../src/flow/qos.js'
import { throttle } from '../../src/flow/throttle.js'
import {
  Channel,
  ContinuationManager,
  continuations,
  gracefulShutdown,
  PlainHold,
  type ShutdownOptions,
} from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { program } from '../support/program.js'
import { type Asking, serve } from '../support/serve.js'
import { freePort } from './processes.js'
import { fileOf, type Snippet } from './snippets.js'

type Shows = (name: string, look: (own: Record<string, unknown>) => Promise<void>, add: () => object) => void
type Runs = (name: string, body: (snippet: Snippet) => Promise<void>) => void

/** What is shown of how a server ends. */
export function showShutdown(shows: Shows, runs: Runs): void {
  for (const name of [
    'README.md, Shutting down #1',
    'src/koa/shutdown.ts, gracefulShutdown #1',
    'src/koa/continuations.ts, drain #1',
    'src/flow/qos.ts, drain #1',
    'src/flow/throttle.ts, drain #1',
  ]) {
    shows(
      name,
      async (own) => {
        const { router, endsWith } = own as unknown as Ending
        router.get('/held', suspends)
        const { status, headers } = await endsWith('/held')
        assert.deepEqual([status, headers.get('connection')], [200, 'close'])
      },
      ending,
    )
  }

  shows(
    'docs/shutdown.md, Shutting down #1',
    async (own) => {
      const { status, headers } = await (own as unknown as Ending).endsWith('/news')
      assert.deepEqual([status, headers.get('connection')], [204, 'close'])
    },
    ending,
  )

  for (const [name, path] of [
    ['src/manager/manager.ts, drain #1', '/held'],
    ['src/channel/channel.ts, drain #1', '/news'],
    ['src/hold/plain-hold.ts, drain #1', '/price'],
  ] as const) {
    shows(
      name,
      async (own) => {
        const { app, router, news, ticker, clients, endsWith } = own as unknown as Ending
        router.get('/held', (ctx, next) => {
          suspends(ctx as unknown as Koa.Context)
          if (ctx.continuation.isSuspended()) clients.stash(ctx.continuation)
          return next()
        })
        router.get('/news', news.subscriber()).get('/price', (ctx) => void ticker.hold(ctx))
        app.use(continuations()).use(router.routes()).listen()
        assert.equal((await endsWith(path)).headers.get('connection'), 'close')
      },
      ending,
    )
  }

  runs('docs/shutdown.md, In a cluster #1', async (snippet) => {
    const port = String(await freePort())
    const says = snippet.code
      .replaceAll('3000', port)
      .replace('ctx.continuation.suspend()', "(ctx.continuation.suspend(), console.log('held'))")
    const running = spawn(process.execPath, [fileURLToPath(await program(await fileOf(snippet, says)))])
    const ended = once(running, 'close')
    const held = once(running.stdout, 'data')
    const asking = askWhenThere(`http://127.0.0.1:${port}/`)
    await held
    running.kill()
    assert.equal(await (await asking).text(), 'nothing yet')
    assert.deepEqual(await ended, [0, null])
  })

  let asking: Asking
  let close: () => Promise<void>
  shows(
    'docs/shutdown.md, By hand #1',
    async () => {
      const { status, body, headers } = await asking
      await close()
      assert.deepEqual([status, body, headers.connection], [503, 'back in a minute', 'close'])
    },
    async () => {
      const clients = new ContinuationManager()
      const app = new Koa().use(continuations()).use((ctx) => {
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      const served = await serve(app)
      close = served.close
      asking = served.get('/')
      await until(() => clients.size === 1)
      return { clients }
    },
  )
}

type Ending = ReturnType<typeof ending>

/** An app whose server listens where there is room, and signals that nobody sends. */
function ending() {
  const app = new Koa()
  const signals = new EventEmitter()
  const server = createServer()
  const listening = once(server, 'listening')
  let shutdown: (() => Promise<void>) | undefined
  app.listen = () => {
    server.on('request', app.callback())
    return server.listen(0, '127.0.0.1')
  }
  return {
    app,
    router: new Router(),
    clients: new ContinuationManager(),
    news: new Channel('news'),
    ticker: new PlainHold(),
    server,
    process: signals,
    qos,
    throttle,
    gracefulShutdown: (server: Server, options: ShutdownOptions) => {
      shutdown = gracefulShutdown(server, { ...options, signals: [] })
    },
    /** Lets a request of this path be held, ends the server, and answers with what the client got. */
    async endsWith(path: string): Promise<Response> {
      await listening
      const asking = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
      await once(server, 'request')
      await turn()
      const closed = once(server, 'close')
      if (shutdown === undefined) signals.emit('SIGTERM')
      else await shutdown()
      const answer = await asking
      await closed
      return answer
    },
  }
}

/** Asks until somebody listens. */
async function askWhenThere(url: string): Promise<Response> {
  return (await fetch(url).catch(() => undefined)) ?? askWhenThere(url)
}

function suspends(ctx: Koa.Context): void {
  if (ctx.continuation.isInitial()) ctx.continuation.suspend()
  else ctx.body = 'nothing yet'
}
