import assert from 'node:assert/strict'
import Router from '@koa/router'
import type Koa from 'koa'
import { ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { type Served, serve } from '../../support/serve.js'

// Tracing agents wrap what is given to app.use(), so that app.middleware holds their functions and not those of the app.
describe('held requests under a tracing agent', () => {
  let clients: ContinuationManager
  let spans: string[]
  let served: Served
  afterEach(() => served.close())

  forEachKoa((_, Koa) => {
    const traced = (): Koa => {
      clients = new ContinuationManager()
      spans = []
      const app = new Koa()
      const use = app.use as (this: Koa, middleware: Koa.Middleware) => Koa
      app.use = function (this: Koa, middleware: Koa.Middleware) {
        return use.call(this, async (ctx: Koa.Context, next: Koa.Next) => {
          spans.push(`+ ${middleware.name}`)
          try {
            return await middleware(ctx, next)
          } finally {
            spans.push(`- ${middleware.name}`)
          }
        })
      } as typeof app.use
      return app
    }

    const handler: Koa.Middleware = (ctx) => {
      spans.push('dispatch')
      if (!ctx.continuation.isInitial()) {
        ctx.body = 'done'
        return
      }
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    }

    it('suspendable() holds a handler, whose span ends when it was answered', async () => {
      const app = traced()
      served = await serve(app.use(suspendable(handler)))
      const asking = served.get('/')
      await until(() => clients.size === 1)
      assert.deepEqual(spans, ['+ suspendable', 'dispatch'])
      clients.resume()
      assert.equal((await asking).body, 'done')
      assert.deepEqual(spans, ['+ suspendable', 'dispatch', 'dispatch', '- suspendable'])
    })

    it('suspendable() holds a route', async () => {
      const app = traced()
      const router = new Router()
      router.get('/held', suspendable(handler))
      app.use(router.routes())
      served = await serve(app)
      const asking = served.get('/held')
      await until(() => clients.resume() === 1)
      assert.equal((await asking).body, 'done')
    })

    it('continuations() does not find its place, and says what to do instead', async () => {
      const app = traced()
      served = await serve(app.use(continuations()).use(handler))
      assert.equal((await served.get('/')).status, 500)
      assert.match(String(served.errors[0]?.message), /app\.middleware\.push\(continuations\(\)\).*suspendable/)
      assert.deepEqual(spans, ['+ continuations', '- continuations'])
    })

    it('continuations() that was not given to app.use() dispatches what is below, each time with a span of its own', async () => {
      const app = traced()
      app.use(function log(_ctx, next) {
        return next()
      })
      app.middleware.push(continuations())
      served = await serve(app.use(handler))
      const asking = served.get('/')
      await until(() => clients.resume() === 1)
      assert.equal((await asking).body, 'done')
      const dispatched = ['+ handler', 'dispatch', '- handler']
      assert.deepEqual(spans, ['+ log', ...dispatched, ...dispatched, '- log'])
    })
  })
})
