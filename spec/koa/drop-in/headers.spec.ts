import assert from 'node:assert/strict'
import type Koa from 'koa'
import helmet from 'koa-helmet'
import { type Ask, alike } from '../../support/alike.js'
import { forEachKoa, untyped } from '../../support/koas.js'

interface CorsOptions {
  origin?: (ctx: Koa.Context) => string
  credentials?: boolean
  exposeHeaders?: string[]
  keepHeadersOnError?: boolean
}
const cors = untyped<(options?: CorsOptions) => Koa.Middleware>('@koa/cors')

const origin = 'https://chat.example'

describe('middleware that sets headers, with held requests', () => {
  forEachKoa((_, Koa) => {
    for (const above of [false, true]) {
      describe(above ? 'above the boundary' : 'below the boundary', () => {
        const app = async (
          middleware: () => Koa.Middleware,
          ask: Ask,
          answer: (ctx: Koa.Context) => void = (ctx) => {
            ctx.vary('Accept')
            ctx.body = 'news'
          },
        ) => {
          const [wire] = await alike({
            Koa,
            asks: [ask],
            build(app, { boundary, handler }) {
              app.use(above ? middleware() : boundary)
              app.use(above ? boundary : middleware())
              app.use(handler)
            },
            answer,
          })
          return wire
        }

        it('@koa/cors lets another origin in', async () => {
          const { headers } = await app(cors, (served) => served.get('/', { origin }))
          assert.equal(headers['access-control-allow-origin'], '*')
          assert.equal(headers.vary, 'Origin, Accept')
        })

        it('@koa/cors answers the preflight', async () => {
          const { status, headers } = await app(cors, (served) =>
            served.ask('OPTIONS', '/', {
              headers: {
                origin,
                'access-control-request-method': 'PUT',
                'access-control-request-headers': 'last-event-id',
              },
            }),
          )
          assert.equal(status, 204)
          assert.equal(headers['access-control-allow-headers'], 'last-event-id')
        })

        it('@koa/cors lets credentials in, and exposes headers', async () => {
          const options = {
            origin: (ctx: Koa.Context) => ctx.get('Origin'),
            credentials: true,
            exposeHeaders: ['etag'],
          }
          const { headers } = await app(
            () => cors(options),
            (served) => served.get('/', { origin }),
          )
          assert.equal(headers['access-control-allow-origin'], origin)
          assert.equal(headers['access-control-allow-credentials'], 'true')
          assert.equal(headers['access-control-expose-headers'], 'etag')
        })

        it('@koa/cors keeps its headers on an error', async () => {
          const { status, headers } = await app(
            cors,
            (served) => served.get('/', { origin }),
            (ctx) => ctx.throw(403, 'not you'),
          )
          assert.equal(status, 403)
          assert.equal(headers['access-control-allow-origin'], '*')
          assert.equal(headers.vary, 'Origin')
        })

        it('koa-helmet sets its headers, and the handler may take one away', async () => {
          const { headers } = await app(
            helmet,
            (served) => served.get('/'),
            (ctx) => {
              ctx.remove('X-Frame-Options')
              ctx.set('Content-Security-Policy', "default-src 'none'")
              ctx.body = 'news'
            },
          )
          assert.equal(headers['x-content-type-options'], 'nosniff')
          assert.equal(headers['x-frame-options'], undefined)
          assert.equal(headers['content-security-policy'], "default-src 'none'")
        })

        it('koa-helmet leaves the names as it writes them', async () => {
          const { rawHeaders } = await app(helmet, (served) => served.get('/'))
          assert.ok(rawHeaders.includes('X-Frame-Options: SAMEORIGIN'))
        })
      })
    }

    it('what the boundary found is there again in every dispatch, lists, cookies and names included', async () => {
      const [wire] = await alike({
        Koa,
        asks: [(served) => served.get('/')],
        build(app, { boundary, handler }) {
          app.use((ctx, next) => {
            ctx.set('X-Above', 'above')
            ctx.cookies.set('above', 'yes')
            ctx.set('x-LIST', ['one', 'two'])
            ctx.status = 203
            return next()
          })
          app.use(boundary)
          app.use(async (ctx, next) => {
            ctx.res.appendHeader('x-list', 'three')
            await next()
            ctx.append('X-Above', 'below')
          })
          app.use(handler)
        },
        answer(ctx) {
          ctx.cookies.set('below', 'yes')
          ctx.body = 'news'
        },
      })
      assert.equal(wire.status, 203)
      assert.deepEqual(wire.headers['set-cookie'], ['above=yes; path=/; httponly', 'below=yes; path=/; httponly'])
      assert.deepEqual(
        wire.rawHeaders.filter((header) => /^x-/i.test(header)),
        ['X-Above: above', 'X-Above: below', 'x-LIST: one', 'x-LIST: three', 'x-LIST: two'],
      )
    })
  })
})
