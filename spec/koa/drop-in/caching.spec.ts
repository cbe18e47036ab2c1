import assert from 'node:assert/strict'
import type Koa from 'koa'
import koaEtag from 'koa-etag'
import { type Ask, alike } from '../../support/alike.js'
import { forEachKoa, untyped } from '../../support/koas.js'

const conditional = untyped<() => Koa.Middleware>('koa-conditional-get')

/** It warns of its new name whenever it is made. */
function etag(): Koa.Middleware {
  const { warn } = console
  console.warn = () => {}
  try {
    return koaEtag()
  } finally {
    console.warn = warn
  }
}

const ask: Ask = (served) => served.get('/')
const askAgain: Ask = (served, previous) => served.get('/', { 'if-none-match': String(previous?.headers.etag) })

describe('koa-conditional-get and koa-etag with held requests', () => {
  forEachKoa((_, Koa) => {
    const orders: [where: string, order: (boundary: Koa.Middleware) => Koa.Middleware[]][] = [
      ['below the boundary', (boundary) => [boundary, conditional(), etag()]],
      ['above the boundary', (boundary) => [conditional(), etag(), boundary]],
      ['on both sides of it', (boundary) => [conditional(), boundary, etag()]],
    ]
    for (const [where, order] of orders) {
      describe(where, () => {
        const app = <const Asks extends readonly Ask[]>(asks: Asks, answer: (ctx: Koa.Context) => void) =>
          alike({
            Koa,
            asks,
            build(app, { boundary, handler }) {
              for (const middleware of order(boundary)) app.use(middleware)
              app.use(handler)
            },
            answer,
          })

        it('a client that has the answer already gets 304', async () => {
          const [first, second] = await app([ask, askAgain], (ctx) => {
            ctx.body = { news: 'none' }
          })
          assert.equal(first.status, 200)
          assert.match(String(first.headers.etag), /^"/)
          assert.equal(second.status, 304)
          assert.equal(second.headers.etag, first.headers.etag)
          assert.equal(second.body.length, 0)
        })

        it('a client that has an older answer gets the new one', async () => {
          const wires = await app([ask, (served) => served.get('/', { 'if-none-match': '"older"' })], (ctx) => {
            ctx.body = 'news'
          })
          assert.deepEqual(
            wires.map(({ status, body }) => [status, String(body)]),
            [
              [200, 'news'],
              [200, 'news'],
            ],
          )
        })

        it('the date of the last change counts too', async () => {
          const changed = new Date(Date.UTC(2026, 0, 1)).toUTCString()
          const [wire] = await app([(served) => served.get('/', { 'if-modified-since': changed })], (ctx) => {
            ctx.lastModified = new Date(changed)
            ctx.body = 'news'
          })
          assert.equal(wire.status, 304)
        })

        it('a tag of the handler stays, and an error has none', async () => {
          const [tagged, wrong] = await app([ask, (served) => served.get('/wrong')], (ctx) => {
            if (ctx.path === '/wrong') ctx.throw(400, 'wrong')
            ctx.etag = 'own'
            ctx.body = 'news'
          })
          assert.equal(tagged.headers.etag, '"own"')
          assert.equal(wrong.status, 400)
          assert.equal(wrong.headers.etag, undefined)
        })
      })
    }
  })
})
