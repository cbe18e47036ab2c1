import assert from 'node:assert/strict'
import { bodyParser } from '@koa/bodyparser'
import type Koa from 'koa'
import koaBodyParser from 'koa-bodyparser'
import { ContinuationManager, continuations } from '../../../src/index.js'
import { type Ask, alike } from '../../support/alike.js'
import { gate, until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { serve } from '../../support/serve.js'

const parsers: [name: string, parser: () => Koa.Middleware][] = [
  ['koa-bodyparser', () => koaBodyParser() as unknown as Koa.Middleware],
  ['@koa/bodyparser', () => bodyParser() as unknown as Koa.Middleware],
]

const form: Ask = (served) =>
  served.ask('POST', '/', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'name=Ada&langs=en&langs=it',
  })

for (const [name, parser] of parsers) {
  describe(`${name} with held requests`, () => {
    forEachKoa((_, Koa) => {
      const app = (asks: readonly Ask[], above = false) =>
        alike({
          Koa,
          asks,
          build(app, { boundary, handler }) {
            app.use(above ? parser() : boundary)
            app.use(above ? boundary : parser())
            app.use(handler)
          },
          answer(ctx) {
            const { body, rawBody } = ctx.request as unknown as { body: unknown; rawBody: string }
            ctx.body = { body, rawBody }
          },
        })

      for (const above of [false, true]) {
        const where = above ? 'above' : 'below'

        it(`parses JSON ${where} the boundary`, async () => {
          const [wire] = await app([(served) => served.post('/', { message: 'hé' })], above)
          assert.equal(wire?.status, 200)
          assert.deepEqual(JSON.parse(String(wire?.body)), { body: { message: 'hé' }, rawBody: '{"message":"hé"}' })
        })

        it(`parses a form ${where} the boundary`, async () => {
          const [wire] = await app([form], above)
          const { body } = JSON.parse(String(wire?.body)) as { body: unknown }
          assert.deepEqual(body, { name: 'Ada', langs: ['en', 'it'] })
        })

        it(`answers what is no JSON with 400 ${where} the boundary`, async () => {
          const [wire] = await app([(served) => served.post('/', '{"message":')], above)
          assert.equal(wire?.status, 400)
        })

        it(`answers a body over its limit with 413 ${where} the boundary`, async () => {
          const [wire] = await app([(served) => served.post('/', { long: 'x'.repeat(2_000_000) })], above)
          assert.equal(wire?.status, 413)
        })
      }

      it('parses a body of half a megabyte', async () => {
        const long = 'x'.repeat(500_000)
        const [wire] = await app([(served) => served.post('/', { long })])
        assert.deepEqual((JSON.parse(String(wire?.body)) as { body: unknown }).body, { long })
      })

      it('parses once: every dispatch sees the same object', async () => {
        const clients = new ContinuationManager()
        const bodies: unknown[] = []
        let reads = 0
        const app = new Koa()
        app.use(continuations())
        app.use((ctx, next) => {
          if (ctx.continuation.isInitial()) ctx.req.once('data', () => reads++)
          return next()
        })
        app.use(parser())
        app.use((ctx) => {
          const { body } = ctx.request as unknown as { body: { message: string } }
          bodies.push(body)
          if (bodies.length === 3) {
            ctx.body = body.message
            return
          }
          ctx.continuation.suspend()
          clients.stash(ctx.continuation)
        })
        const served = await serve(app)
        try {
          const asking = served.post('/', { message: 'hello' })
          await until(() => clients.resume() === 1)
          await until(() => clients.resume() === 1)
          assert.equal((await asking).body, 'hello')
          assert.equal(reads, 1)
          assert.equal(new Set(bodies).size, 1)
        } finally {
          await served.close()
        }
      })

      it('sees the client of a held POST leave', async () => {
        const clients = new ContinuationManager()
        const gone = gate()
        const app = new Koa()
        app.use(continuations())
        app.use(parser())
        app.use((ctx) => {
          ctx.continuation.addContinuationListener({ onDisconnect: () => gone.open() })
          ctx.continuation.suspend()
          clients.stash(ctx.continuation)
        })
        const served = await serve(app)
        try {
          const asking = served.post('/', { message: 'hello' })
          await until(() => clients.size === 1)
          asking.request.destroy()
          await gone
          assert.equal(clients.size, 0)
          assert.deepEqual(served.errors, [])
        } finally {
          await served.close()
        }
      })
    })
  })
}
