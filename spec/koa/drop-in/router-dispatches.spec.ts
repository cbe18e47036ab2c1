import assert from 'node:assert/strict'
import Router, { type RouterParameterMiddleware } from '@koa/router'
import Koa from 'koa'
import { ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { until } from '../../support/gate.js'
import { untyped } from '../../support/koas.js'
import { type Served, serve } from '../../support/serve.js'

/** The newer one runs a `param()` handler once for a request, the older one for every route that matches. */
const routers: [name: string, Router: typeof Router, once: boolean][] = [
  ['@koa/router 15', Router, true],
  ['@koa/router 13', untyped<typeof Router>('koa-router-13'), false],
]

const around: [name: string, boundary: boolean, wrap: (handler: Koa.Middleware) => Koa.Middleware][] = [
  ['below continuations()', true, (handler) => handler],
  ['in suspendable()', false, (handler) => suspendable(handler)],
  ['in suspendable() below continuations()', true, (handler) => suspendable(handler)],
]

for (const [name, Router, once] of routers) {
  describe(`${name}, dispatch by dispatch`, () => {
    let clients: ContinuationManager
    /** What ran, and what each dispatch of the handler saw, in order. */
    let ran: string[]
    let dispatches: { params: object; matched: string[]; [fact: string]: unknown }[]
    let served: Served

    beforeEach(() => {
      clients = new ContinuationManager()
      ran = []
      dispatches = []
    })
    afterEach(() => served.close())

    const param =
      (what: string): RouterParameterMiddleware =>
      (value, _, next) => {
        ran.push(`param ${what} ${value}`)
        return next()
      }

    const handler: Koa.Middleware = (ctx) => {
      ran.push('handler')
      const { params, captures, routerPath, _matchedRoute, _matchedRouteName } = ctx
      const matched = (ctx['matched'] as { path: string }[]).map(({ path }) => path)
      dispatches.push({ params, matched, captures, routerPath, _matchedRoute, _matchedRouteName })
      if (dispatches.length === 3) {
        ctx.body = 'done'
        return
      }
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    }

    /** Asks, and resumes twice. */
    const ask = async (app: Koa, path: string): Promise<void> => {
      served = await serve(app)
      const asking = served.get(path)
      await until(() => clients.resume() === 1)
      await until(() => clients.resume() === 1)
      assert.equal((await asking).body, 'done')
      assert.deepEqual(served.errors, [])
    }

    for (const [where, boundary, wrap] of around) {
      describe(where, () => {
        const again = (times: number, above: string[]) =>
          where === 'below continuations()'
            ? Array(times)
                .fill([...above, 'handler'])
                .flat()
            : [...above, ...Array(times).fill('handler')]

        it('every dispatch of a nested route sees the same, and what is to run runs', async () => {
          const inner = new Router()
          inner.param('user', param('user'))
          inner.get('user', '/users/:user', wrap(handler))
          const outer = new Router()
          outer.param('room', param('room'))
          outer.use('/rooms/:room', inner.routes())
          const app = new Koa()
          if (boundary) app.use(continuations())
          app.use(outer.routes()).use(outer.allowedMethods())

          await ask(app, '/rooms/7/users/ada')
          const [first, second, third] = dispatches
          assert.deepEqual(first?.params, { room: '7', user: 'ada' })
          assert.deepEqual(first?.matched, ['/rooms/:room/users/:user'])
          assert.deepEqual(second, first)
          assert.deepEqual(third, first)
          assert.deepEqual(ran, again(3, ['param room 7', 'param user ada']))
        })

        it(`a param() handler that two routers share runs ${once ? 'once' : 'twice'} in a dispatch`, async () => {
          const shared = param('room')
          const first = new Router()
          first.param('room', shared)
          first.get('/rooms/:room', (_, next) => next())
          const second = new Router()
          second.param('room', shared)
          second.get('/rooms/:room', wrap(handler))
          const app = new Koa()
          if (boundary) app.use(continuations())
          app.use(first.routes()).use(second.routes())

          await ask(app, '/rooms/7')
          assert.deepEqual(ran, again(3, once ? ['param room 7'] : ['param room 7', 'param room 7']))
        })
      })
    }

    it('a router within suspendable() starts afresh from what the router above it left', async () => {
      const inner = new Router()
      inner.param('user', param('user'))
      inner.param('room', param('inner room'))
      inner.get('/rooms/:room/users/:user', handler)
      const outer = new Router()
      outer.param('room', param('room'))
      outer.get('outer', /^\/rooms\/(\d+)/, suspendable(inner.routes() as unknown as Koa.Middleware))
      const app = new Koa()
      app.use(outer.routes()).use(outer.allowedMethods())

      await ask(app, '/rooms/7/users/ada')
      const [first, second, third] = dispatches
      assert.equal(first?.matched.length, 2)
      assert.deepEqual(second, first)
      assert.deepEqual(third, first)
      assert.deepEqual(ran, Array(3).fill(['param inner room 7', 'param user ada', 'handler']).flat())
    })

    it('what one dispatch in suspendable() changes in its params and captures, the next one does not see', async () => {
      const router = new Router()
      const rename: Koa.Middleware = (ctx, next) => {
        const { params, captures, request } = ctx as typeof ctx & { request: { params?: unknown } }
        ran.push(`${params.name} ${captures} ${request.params === params}`)
        params.name = `uploads/${params.name}`
        captures.push(params.name)
        return next()
      }
      router.get('/files/:name', suspendable(rename, handler))
      const app = new Koa()
      app.use(router.routes())
      await ask(app, '/files/tea')
      assert.deepEqual(ran, Array(3).fill(['tea tea true', 'handler']).flat())
    })

    it('what stands before a router within suspendable() sees the params of the router above it', async () => {
      const inner = new Router()
      inner.get('/rooms/:room/users/:user', handler)
      const outer = new Router()
      const see: Koa.Middleware = (ctx, next) => {
        ran.push(Object.keys(ctx.params).join())
        return next()
      }
      outer.get('/rooms/:room/:what/:who', suspendable(see, inner.routes() as unknown as Koa.Middleware))
      const app = new Koa()
      app.use(outer.routes())
      await ask(app, '/rooms/7/users/ada')
      assert.deepEqual(ran, Array(3).fill(['room,what,who', 'handler']).flat())
    })

    const inOneOfThem = once ? 'is not run again within it' : 'runs in each dispatch within it'
    it(`a param() handler that ran above a suspendable() router ${inOneOfThem}`, async () => {
      const shared = param('room')
      const inner = new Router()
      inner.param('room', shared)
      inner.get('/rooms/:room/users', handler)
      const outer = new Router()
      outer.param('room', shared)
      outer.get('/rooms/:room/:what', suspendable(inner.routes() as unknown as Koa.Middleware))
      const app = new Koa()
      app.use(outer.routes())

      await ask(app, '/rooms/7/users')
      const within = Array(3).fill(once ? ['handler'] : ['param room 7', 'handler'])
      assert.deepEqual(ran, ['param room 7', ...within.flat()])
    })

    it('what stands between continuations() and the router sees no trace of an earlier dispatch', async () => {
      const router = new Router()
      router.param('room', param('room'))
      router.get('room', '/rooms/:room', handler)
      const traces: object[] = []
      const app = new Koa()
      app.use(continuations())
      app.use((ctx, next) => {
        const { params, captures, matched, routerPath, routerName, router, _matchedRoute, _matchedRouteName } = ctx
        const requestParams = (ctx.request as unknown as { params: unknown }).params
        const all = { params, requestParams, captures, matched, routerPath, routerName, router, _matchedRoute }
        traces.push({ ...all, _matchedRouteName })
        return next()
      })
      app.use(router.routes()).use(router.allowedMethods())

      await ask(app, '/rooms/7')
      assert.equal(traces.length, 3)
      for (const trace of traces) assert.deepEqual(new Set(Object.values(trace)), new Set([undefined]))
    })

    it('what an app keeps under the names of a router is there in every dispatch', async () => {
      const router = new Router()
      router.get('room', '/rooms/:room', () => {})
      const kept: unknown[] = []
      const app = new Koa()
      Object.assign(app.context, { router })
      app.use((ctx, next) => {
        ctx['routerName'] = 'own'
        return next()
      })
      app.use(continuations())
      app.use((ctx, next) => {
        kept.push(ctx['router'].url('room', { room: '7' }), ctx['routerName'])
        ctx['routerName'] = 'changed'
        ctx['matched'] = []
        return next()
      })
      app.use(handler)

      await ask(app, '/')
      assert.deepEqual(kept, Array(3).fill(['/rooms/7', 'own']).flat())
    })

    it('a param() handler may suspend', async () => {
      const router = new Router()
      router.param('room', (room, ctx, next) => {
        ran.push(`param room ${room}`)
        const { continuation } = ctx
        if (!continuation.isInitial()) return next()
        continuation.suspend()
        clients.stash(continuation)
        return undefined
      })
      router.get('/rooms/:room', (ctx) => {
        ctx.body = `room ${ctx['params'].room}`
      })
      const app = new Koa()
      app.use(continuations()).use(router.routes()).use(router.allowedMethods())
      served = await serve(app)
      const asking = served.get('/rooms/7')
      await until(() => clients.resume() === 1)
      assert.equal((await asking).body, 'room 7')
      assert.deepEqual(ran, ['param room 7', 'param room 7'])
    })

    it('continuations() in a router answers 500 with an error that names suspendable', async () => {
      const router = new Router()
      router.use(continuations())
      router.get('/', handler)
      const app = new Koa()
      app.use(router.routes())
      served = await serve(app)
      const { status, body } = await served.get('/')
      assert.equal(status, 500)
      assert.equal(body, 'Internal Server Error')
      assert.equal(served.errors.length, 1)
      assert.match(String(served.errors[0]?.message), /suspendable/)
      assert.equal((served.errors[0] as { code?: string }).code, 'ERR_NO_BOUNDARY')
      assert.deepEqual(ran, [])
    })
  })
}
