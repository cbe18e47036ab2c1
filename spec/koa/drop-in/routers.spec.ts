import assert from 'node:assert/strict'
import Router from '@koa/router'
import type Koa from 'koa'
import { type Ask, alike, type Parts, type Wire } from '../../support/alike.js'
import { forEachKoa, untyped } from '../../support/koas.js'

const routers: [name: string, Router: typeof Router][] = [
  ['@koa/router 15', Router],
  ['@koa/router 13', untyped<typeof Router>('koa-router-13')],
]

/** What a router says of the request. */
function seen(ctx: Koa.Context): object {
  const { params, captures, matched, routerPath, routerName, _matchedRoute, _matchedRouteName, path, url } = ctx
  return {
    params,
    requestParams: (ctx.request as unknown as { params: unknown }).params,
    captures,
    matched: (matched as { path: string }[]).map((layer) => layer.path),
    routerPath,
    routerName,
    _matchedRoute,
    _matchedRouteName,
    path,
    url,
  }
}

const answered = (wire: Wire | undefined): Record<string, unknown> => JSON.parse(String(wire?.body))

for (const [name, Router] of routers) {
  describe(`${name} with held requests`, () => {
    forEachKoa((_, Koa) => {
      const app = (asks: readonly Ask[], build: (app: Koa, parts: Parts) => void) =>
        alike({
          Koa,
          asks,
          build(app, parts) {
            app.use(parts.boundary)
            build(app, parts)
          },
          answer(ctx) {
            ctx.body = { ...seen(ctx), heard: ctx.state['heard'] }
          },
        })
      const get =
        (path: string): Ask =>
        (served) =>
          served.get(path)

      it('says the same of a route with parameters', async () => {
        const [wire] = await app([get('/rooms/7/users/ada?since=3')], (app, { handler }) => {
          const router = new Router()
          router.get('user', '/rooms/:room/users/:user', handler)
          app.use(router.routes()).use(router.allowedMethods())
        })
        const { params, matched, _matchedRouteName } = answered(wire)
        assert.deepEqual(params, { room: '7', user: 'ada' })
        assert.deepEqual(matched, ['/rooms/:room/users/:user'])
        assert.equal(_matchedRouteName, 'user')
      })

      it('says the same of a route under a prefix with a parameter', async () => {
        const [wire] = await app([get('/v2/rooms/7')], (app, { handler }) => {
          const router = new Router({ prefix: '/:version' })
          router.get('/rooms/:room', handler)
          app.use(router.routes()).use(router.allowedMethods())
        })
        assert.deepEqual(answered(wire)['params'], { version: 'v2', room: '7' })
      })

      it('says the same of a regular expression', async () => {
        const [wire] = await app([get('/file-12-b')], (app, { handler }) => {
          const router = new Router()
          router.get(/^\/file-(\d+)-(\w)$/, handler)
          app.use(router.routes())
        })
        assert.deepEqual(answered(wire)['captures'], ['12', 'b'])
      })

      it('says the same where several routes and a use() match', async () => {
        const [wire] = await app([get('/rooms/7')], (app, { handler }) => {
          const router = new Router()
          router.use('/rooms', (_, next) => next())
          router.get('any', '/rooms/:any', (_, next) => next())
          router.get('room', '/rooms/:room', handler)
          app.use(router.routes()).use(router.allowedMethods())
        })
        const { params, matched, _matchedRouteName } = answered(wire)
        assert.deepEqual(params, { any: '7', room: '7' })
        assert.equal((matched as string[]).length, 3)
        assert.equal(_matchedRouteName, 'room')
      })

      it('says the same in the second of two routers', async () => {
        const [wire] = await app([get('/rooms/7')], (app, { handler }) => {
          const first = new Router()
          first.get('first', '/rooms/:first', (_, next) => next())
          first.post('/rooms/:first', (_, next) => next())
          const second = new Router()
          second.get('/rooms/:second', handler)
          app.use(first.routes()).use(second.routes()).use(second.allowedMethods())
        })
        const { params, matched, _matchedRouteName } = answered(wire)
        assert.deepEqual(params, { first: '7', second: '7' })
        assert.deepEqual(matched, ['/rooms/:first', '/rooms/:first', '/rooms/:second'])
        assert.equal(_matchedRouteName, 'first')
      })

      it('says the same in a router in a router in a router, all with parameters', async () => {
        const [wire] = await app([get('/a/1/b/2/c/3')], (app, { handler }) => {
          const inner = new Router()
          inner.get('innermost', '/c/:c', handler)
          const middle = new Router()
          middle.use('/b/:b', inner.routes(), inner.allowedMethods())
          const outer = new Router({ prefix: '/a/:a' })
          outer.use(middle.routes(), middle.allowedMethods())
          app.use(outer.routes()).use(outer.allowedMethods())
        })
        const { params, routerName } = answered(wire)
        assert.deepEqual(params, { a: '1', b: '2', c: '3' })
        assert.equal(routerName, 'innermost')
      })

      it('says the same in a router that is composed by hand within a route', async () => {
        const [wire] = await app([get('/a/1/b/2')], (app, { handler }) => {
          const inner = new Router()
          inner.get('/a/:a/b/:b', handler)
          const outer = new Router()
          const within = inner.routes() as unknown as Koa.Middleware
          outer.get(/^\/a\/(\d+)/, (ctx, next) => within(ctx as unknown as Koa.Context, next))
          app.use(outer.routes()).use(outer.allowedMethods())
        })
        const { params, matched } = answered(wire)
        assert.equal((params as { b: string }).b, '2')
        assert.equal((matched as string[]).length, 2)
      })

      it('lets param() handlers load and refuse', async () => {
        const [ada, none] = await app([get('/rooms/7/users/ada'), get('/rooms/7/users/nobody')], (app, { handler }) => {
          const inner = new Router()
          inner.param('user', (id, ctx, next) => {
            ctx.state['heard'] = `${ctx.state['room']}: ${id}`
            return id === 'ada' ? next() : ctx.throw(404, 'nobody there')
          })
          inner.get('/users/:user', handler)
          const outer = new Router()
          outer.param('room', (id, ctx, next) => {
            ctx.state['room'] = `room ${id}`
            return next()
          })
          outer.use('/rooms/:room', inner.routes())
          app.use(outer.routes()).use(outer.allowedMethods())
        })
        assert.equal(answered(ada)['heard'], 'room 7: ada')
        assert.equal(none?.status, 404)
        assert.equal(String(none?.body), 'nobody there')
      })

      it('answers HEAD, OPTIONS, the wrong method and an unknown one', async () => {
        const asks = ['HEAD', 'OPTIONS', 'DELETE', 'SEARCH'].map(
          (method): Ask =>
            (served) =>
              served.ask(method, '/rooms/7'),
        )
        const wires = await app(asks, (app, { handler }) => {
          const router = new Router({ methods: ['HEAD', 'OPTIONS', 'GET', 'POST', 'DELETE'] })
          router.get('/rooms/:room', handler).post('/rooms/:room', handler)
          app.use(router.routes()).use(router.allowedMethods())
        })
        assert.deepEqual(
          wires.map(({ status, headers }) => [status, headers['allow']]),
          [
            [200, undefined],
            [200, 'HEAD, GET, POST'],
            [405, 'HEAD, GET, POST'],
            [501, 'HEAD, GET, POST'],
          ],
        )
      })

      it('follows a redirect to a named route', async () => {
        const [moved] = await app([get('/old/7')], (app, { handler }) => {
          const router = new Router()
          router.get('room', '/rooms/:room', handler)
          router.get('/old/:room', (ctx) => {
            ctx.redirect(String(router.url('room', { room: ctx['params'].room })))
          })
          app.use(router.routes())
        })
        assert.equal(moved?.headers.location, '/rooms/7')
      })

      it('leaves a handler that answers nothing at 404, and not at 405', async () => {
        const [wire] = await alike({
          Koa,
          asks: [get('/rooms/7')],
          build(app, { boundary, handler }) {
            const router = new Router()
            router.get('/rooms/:room', handler).post('/rooms/:room', handler)
            app.use(boundary).use(router.routes()).use(router.allowedMethods())
          },
          answer() {},
        })
        assert.equal(wire.status, 404)
        assert.equal(wire.headers['allow'], undefined)
      })
    })
  })
}
