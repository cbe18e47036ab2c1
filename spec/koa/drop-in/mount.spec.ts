import assert from 'node:assert/strict'
import Router from '@koa/router'
import type Koa from 'koa'
import mount from 'koa-mount'
import { ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { type Ask, alike } from '../../support/alike.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { type Served, serve } from '../../support/serve.js'

describe('koa-mount with held requests', () => {
  forEachKoa((_, Koa) => {
    const get =
      (path: string): Ask =>
      (served) =>
        served.get(path)

    /** Where the request is thought to be, by every name there is. */
    const place = ({ path, url, originalUrl, querystring, mountPath }: Koa.Context) => ({
      path,
      url,
      originalUrl,
      querystring,
      mountPath,
    })

    it('shows a mounted app its own path', async () => {
      const [wire] = await alike({
        Koa,
        asks: [get('/chat/room?since=3')],
        build(app, { boundary, handler }) {
          const mounted = new Koa()
          mounted.use(handler)
          app.use(boundary).use(mount('/chat', mounted))
        },
        answer(ctx) {
          ctx.body = place(ctx)
        },
      })
      assert.deepEqual(JSON.parse(String(wire.body)), {
        path: '/room',
        url: '/room?since=3',
        originalUrl: '/chat/room?since=3',
        querystring: 'since=3',
        mountPath: '/chat',
      })
    })

    it('shows an app mounted in a mounted app its own path, and those around it theirs afterwards', async () => {
      const [wire] = await alike({
        Koa,
        asks: [get('/a/b/c')],
        build(app, { boundary, handler }) {
          const note: Koa.Middleware = async (ctx, next) => {
            const before = ctx.path
            await next()
            ctx.append('X-Path', `${before} ${ctx.path}`)
          }
          const inner = new Koa()
          inner.use(note).use(handler)
          const middle = new Koa()
          middle.use(note).use(mount('/b', inner))
          app.use(boundary).use(note).use(mount('/a', middle)).use(note)
        },
        answer(ctx) {
          ctx.body = place(ctx)
        },
      })
      assert.equal(wire.headers['x-path'], '/c /c, /b/c /b/c, /a/b/c /a/b/c')
    })

    it('gives the path back to what stands behind a mounted app that calls next()', async () => {
      const [wire] = await alike({
        Koa,
        asks: [get('/a/b')],
        build(app, { boundary, handler }) {
          const mounted = new Koa()
          mounted.use(async (ctx, next) => {
            await next()
            ctx.set('X-Path', ctx.path)
          })
          app.use(boundary).use(mount('/a', mounted)).use(handler)
        },
        answer(ctx) {
          ctx.body = place(ctx)
        },
      })
      assert.equal((JSON.parse(String(wire.body)) as { path: string }).path, '/a/b')
      assert.equal(wire.headers['x-path'], '/b')
    })

    it('works with a router in the mounted app', async () => {
      const [wire] = await alike({
        Koa,
        asks: [get('/chat/rooms/7')],
        build(app, { boundary, handler }) {
          const router = new Router()
          router.get('/rooms/:room', handler)
          const mounted = new Koa()
          mounted.use(router.routes()).use(router.allowedMethods())
          app.use(boundary).use(mount('/chat', mounted))
        },
        answer(ctx) {
          ctx.body = [ctx['params'], ctx['_matchedRoute'], ctx.path]
        },
      })
      assert.deepEqual(JSON.parse(String(wire.body)), [{ room: '7' }, '/rooms/:room', '/rooms/7'])
    })

    describe('dispatch by dispatch', () => {
      let clients: ContinuationManager
      let paths: string[]
      let served: Served

      beforeEach(() => {
        clients = new ContinuationManager()
        paths = []
      })
      afterEach(() => served.close())

      const handler: Koa.Middleware = (ctx) => {
        paths.push(ctx.path)
        if (paths.length === 3) {
          ctx.body = 'done'
          return
        }
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      }

      const boundary = continuations()
      const itself = (handler: Koa.Middleware) => [handler]

      for (const [where, above, below] of [
        ['below continuations()', continuations(), itself],
        ['in suspendable() within the mounted app', undefined, (handler: Koa.Middleware) => [suspendable(handler)]],
        ['below the same continuations() again', boundary, (handler: Koa.Middleware) => [boundary, handler]],
      ] as const) {
        it(`the path is right in every dispatch ${where}`, async () => {
          const mounted = new Koa()
          for (const one of below(handler)) mounted.use(one)
          const app = new Koa()
          if (above !== undefined) app.use(above)
          served = await serve(app.use(mount('/chat', mounted)))
          const asking = served.get('/chat/room')
          await until(() => clients.resume() === 1)
          await until(() => clients.resume() === 1)
          assert.equal((await asking).body, 'done')
          assert.deepEqual(paths, ['/room', '/room', '/room'])
        })
      }

      it('what stands between continuations() and a mounted app sees no trace of an earlier dispatch', async () => {
        const traces: unknown[] = []
        const mounted = new Koa()
        mounted.use(handler)
        const app = new Koa()
        app.use(continuations())
        app.use((ctx, next) => {
          traces.push([ctx.path, ctx['mountPath']])
          return next()
        })
        served = await serve(app.use(mount('/chat', mounted)))
        const asking = served.get('/chat/room')
        await until(() => clients.resume() === 1)
        await until(() => clients.resume() === 1)
        assert.equal((await asking).body, 'done')
        assert.deepEqual(traces, Array(3).fill(['/chat/room', undefined]))
      })

      it('a mounted app that is held may be resumed while the same app answers others', async () => {
        const mounted = new Koa()
        mounted.use((ctx) => {
          paths.push(ctx.path)
          if (ctx.path === '/other' || !ctx.continuation.isInitial()) {
            ctx.body = ctx.path
            return
          }
          ctx.continuation.suspend()
          clients.stash(ctx.continuation)
        })
        served = await serve(new Koa().use(continuations()).use(mount('/chat', mounted)))
        const asking = served.get('/chat/held')
        await until(() => clients.size === 1)
        assert.equal((await served.get('/chat/other')).body, '/other')
        clients.resume()
        assert.equal((await asking).body, '/held')
        assert.deepEqual(paths, ['/held', '/other', '/held'])
      })

      for (const [where, build] of [
        [
          'in a mounted app',
          (app: Koa) => {
            const mounted = new Koa()
            mounted.use(continuations()).use(handler)
            app.use(mount('/chat', mounted))
          },
        ],
        [
          'in a mounted app below another continuations()',
          (app: Koa) => {
            const mounted = new Koa()
            mounted.use(continuations()).use(handler)
            app.use(continuations()).use(mount('/chat', mounted))
          },
        ],
        ['itself mounted', (app: Koa) => app.use(mount('/chat', continuations())).use(handler)],
      ] as const) {
        it(`continuations() ${where} answers 500 with an error that names suspendable`, async () => {
          const app = new Koa()
          build(app)
          served = await serve(app)
          const { status, body } = await served.get('/chat')
          assert.equal(status, 500)
          assert.equal(body, 'Internal Server Error')
          assert.equal(served.errors.length, 1)
          assert.match(String(served.errors[0]?.message), /suspendable/)
          assert.equal((served.errors[0] as { code?: string }).code, 'ERR_NO_BOUNDARY')
          assert.deepEqual(paths, [])
        })
      }
    })
  })
})
