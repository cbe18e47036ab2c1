import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Koa from 'koa'
import { ContinuationManager, continuations } from '../../../src/index.js'
import { type Ask, alike } from '../../support/alike.js'
import { until } from '../../support/gate.js'
import { forEachKoa, untyped } from '../../support/koas.js'
import { serve } from '../../support/serve.js'

const files = untyped<(root: string, options?: { defer?: boolean }) => Koa.Middleware>('koa-static')

describe('koa-static beside held requests', () => {
  const page = '<!doctype html><title>chat</title>'.repeat(1_000)
  // a client that closes the connection once it has all bytes may be quicker than the end of the file: Koa 3 reports that
  const agent = new Agent({ keepAlive: true })
  let root: string

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'continuation-'))
    await writeFile(join(root, 'page.html'), page)
  })
  after(() => {
    agent.destroy()
    return rm(root, { recursive: true })
  })

  forEachKoa((_, Koa) => {
    const get =
      (path: string): Ask =>
      (served) =>
        served.ask('GET', path, { agent })

    for (const above of [false, true]) {
      for (const defer of [false, true]) {
        const where = `${above ? 'above' : 'below'} the boundary${defer ? ', deferred' : ''}`

        it(`sends files, answers held requests, and says 404 ${where}`, async () => {
          const [file, held, none] = await alike({
            Koa,
            asks: [get('/page.html'), get('/held'), get('/none')],
            build(app, { boundary, handler }) {
              app.use(above ? files(root, { defer }) : boundary)
              app.use(above ? boundary : files(root, { defer }))
              app.use((ctx, next) => (ctx.path === '/held' ? handler(ctx, next) : next()))
            },
            answer(ctx) {
              ctx.body = 'held'
            },
          })
          assert.equal(file.status, 200)
          assert.equal(String(file.body), page)
          assert.equal(String(held.body), 'held')
          assert.equal(none.status, 404)
        })

        it(`sends a file that a held request turns out to be ${where}`, async () => {
          const [wire] = await alike({
            Koa,
            asks: [get('/page')],
            build(app, { boundary, handler }) {
              app.use(above ? files(root, { defer }) : boundary)
              app.use(above ? boundary : files(root, { defer }))
              app.use(handler)
              app.use(files(root))
            },
            answer(ctx, next) {
              ctx.path = '/page.html'
              return next()
            },
          })
          assert.equal(String(wire.body), page)
        })
      }
    }

    it('sends a file while a request of the same app is held', async () => {
      const clients = new ContinuationManager()
      const app = new Koa()
      app.use(continuations())
      app.use(files(root))
      app.use((ctx) => {
        if (!ctx.continuation.isInitial()) {
          ctx.body = 'held'
          return
        }
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      const served = await serve(app)
      try {
        const held = served.get('/held')
        await until(() => clients.size === 1)
        assert.equal((await served.get('/page.html')).body, page)
        assert.equal(clients.size, 1)
        clients.resume()
        assert.equal((await held).body, 'held')
      } finally {
        await served.close()
      }
    })
  })
})
