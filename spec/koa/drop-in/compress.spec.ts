import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type Koa from 'koa'
import compress from 'koa-compress'
import { ContinuationManager, continuations } from '../../../src/index.js'
import { type Ask, alike, receive } from '../../support/alike.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { serve } from '../../support/serve.js'

const long = 'a line that is written again and again\n'.repeat(200)

const accepting =
  (encoding: string): Ask =>
  (served) =>
    served.get('/', { 'accept-encoding': encoding })

describe('koa-compress with held requests', () => {
  forEachKoa((_, Koa) => {
    for (const above of [false, true]) {
      describe(above ? 'above the boundary' : 'below the boundary', () => {
        const app = async (answer: (ctx: Koa.Context) => void, ask: Ask = accepting('gzip')) => {
          const [wire] = await alike({
            Koa,
            asks: [ask],
            build(app, { boundary, handler }) {
              app.use(above ? compress() : boundary)
              app.use(above ? boundary : compress())
              app.use(handler)
            },
            answer,
          })
          return wire
        }

        it('sends gzip, and says so once', async () => {
          const wire = await app((ctx) => {
            ctx.body = long
          })
          assert.equal(gunzipSync(wire.body).toString(), long)
          assert.deepEqual(
            wire.rawHeaders.filter((header) => /^(content-encoding|vary|content-length):/i.test(header)),
            ['Content-Encoding: gzip', 'Vary: Accept-Encoding'],
          )
        })

        it('sends brotli', async () => {
          const wire = await app((ctx) => {
            ctx.body = long
          }, accepting('br'))
          assert.equal(wire.headers['content-encoding'], 'br')
          assert.equal(brotliDecompressSync(wire.body).toString(), long)
        })

        it('compresses JSON', async () => {
          const wire = await app((ctx) => {
            ctx.body = { long }
          })
          assert.deepEqual(JSON.parse(gunzipSync(wire.body).toString()), { long })
        })

        it('compresses a stream', async () => {
          const wire = await app((ctx) => {
            ctx.type = 'text/plain'
            ctx.body = Readable.from([long, long])
          })
          assert.equal(wire.headers['content-encoding'], 'gzip')
          assert.equal(gunzipSync(wire.body).toString(), long + long)
        })

        it('compresses a short body where the handler says so', async () => {
          const wire = await app((ctx) => {
            ctx.compress = { threshold: 0 }
            ctx.body = 'short'
          })
          assert.equal(gunzipSync(wire.body).toString(), 'short')
        })

        it('leaves a short body, and one that the handler exempts, as they are', async () => {
          const short = await app((ctx) => {
            ctx.body = 'short'
          })
          assert.equal(String(short.body), 'short')
          const exempt = await app((ctx) => {
            ctx.compress = false
            ctx.body = long
          })
          assert.equal(String(exempt.body), long)
          assert.equal(exempt.headers['content-encoding'], undefined)
          assert.equal(exempt.headers['content-length'], String(long.length))
        })

        it('leaves the body as it is for a client that takes no encoding', async () => {
          const wire = await app(
            (ctx) => {
              ctx.body = long
            },
            (served) => served.get('/'),
          )
          assert.equal(String(wire.body), long)
        })

        it('sends no body with 204', async () => {
          const wire = await app((ctx) => {
            ctx.status = 204
          })
          assert.equal(wire.body.length, 0)
          assert.equal(wire.headers['content-encoding'], undefined)
        })
      })
    }

    it('lets go of what a suspended dispatch has begun to compress, before the next dispatch', async () => {
      const clients = new ContinuationManager()
      let begun: Readable | undefined
      let letGo: boolean | undefined
      const app = new Koa()
      app.use(continuations())
      app.use(async (ctx, next) => {
        await next()
        begun ??= ctx.body as Readable
      })
      app.use(compress())
      app.use((ctx) => {
        letGo = begun?.destroyed
        ctx.body = long
        if (!ctx.continuation.isInitial()) return
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      const served = await serve(app)
      try {
        const answer = receive(served.get('/', { 'accept-encoding': 'gzip' }))
        await until(() => clients.resume() === 1)
        assert.equal(gunzipSync((await answer).body).toString(), long)
        assert.equal(letGo, true)
        assert.deepEqual(served.errors, [])
      } finally {
        await served.close()
      }
    })
  })
})
