import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type Koa from 'koa'
import { type Continuation, ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { type Ask, alike } from '../../support/alike.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { type Served, serve } from '../../support/serve.js'

const ask: Ask = (served) => served.get('/')

describe('errors of held requests', () => {
  forEachKoa((_, Koa) => {
    describe('go the way that they go without a suspension', () => {
      const app = async (answer: (ctx: Koa.Context) => unknown, above?: Koa.Middleware) => {
        const [wire] = await alike({
          Koa,
          asks: [ask],
          build(app, { boundary, handler }) {
            if (above !== undefined) app.use(above)
            app.use(boundary).use(handler)
          },
          answer,
        })
        return wire
      }

      it('an error that was not expected is a 500 without its message', async () => {
        const { status, body } = await app(() => {
          throw new Error('a secret')
        })
        assert.equal(status, 500)
        assert.equal(String(body), 'Internal Server Error')
      })

      it('a rejection is an error as well', async () => {
        const { status } = await app(() => Promise.reject(new Error('a secret')))
        assert.equal(status, 500)
      })

      it('ctx.throw() shows its status and message, and ctx.assert() too', async () => {
        const thrown = await app((ctx) => ctx.throw(409, 'taken'))
        assert.deepEqual([thrown.status, String(thrown.body)], [409, 'taken'])
        const failed = await app((ctx) => ctx.assert(false, 418, 'a teapot'))
        assert.deepEqual([failed.status, String(failed.body)], [418, 'a teapot'])
      })

      it('the headers of the error are sent, and those that were set before are not', async () => {
        const { status, headers } = await app((ctx) => {
          ctx.set('X-News', 'none')
          throw Object.assign(new Error('later'), { status: 503, expose: true, headers: { 'Retry-After': '7' } })
        })
        assert.equal(status, 503)
        assert.equal(headers['retry-after'], '7')
        assert.equal(headers['x-news'], undefined)
      })

      it('what is no error is a 500', async () => {
        const { status } = await app(() => {
          throw 'a string'
        })
        assert.equal(status, 500)
      })

      it('error-handling middleware above answers as it chooses', async () => {
        const { status, headers, body } = await app(
          () => {
            throw Object.assign(new Error('taken'), { status: 409 })
          },
          async (ctx, next) => {
            ctx.set('X-Above', 'yes')
            try {
              await next()
            } catch (error) {
              ctx.status = (error as { status: number }).status
              ctx.body = { error: (error as Error).message }
            }
          },
        )
        assert.equal(status, 409)
        assert.equal(String(body), '{"error":"taken"}')
        assert.equal(headers['x-above'], 'yes')
      })
    })

    it('a stream that is to be the body and fails while the request is parked: its error is the answer', async () => {
      const stream = new PassThrough()
      let held: Continuation | undefined
      let dispatches = 0
      const app = new Koa()
      app.use(continuations())
      app.use((ctx) => {
        held = ctx.continuation
        dispatches++
        ctx.body = stream
        held.suspend()
      })
      const served = await serve(app)
      try {
        const asking = served.get('/')
        await until(() => held?.phase === 'suspended')
        stream.destroy(new Error('the disk is gone'))
        assert.equal((await asking).status, 500)
        await until(() => held?.phase === 'ended')
        assert.deepEqual(served.errors.map(String), ['Error: the disk is gone'])
        assert.equal(dispatches, 1)
      } finally {
        await served.close()
      }
    })

    const forms: [name: string, use: (app: Koa, handler: Koa.Middleware) => void][] = [
      ['continuations()', (app, handler) => app.use(continuations()).use(handler)],
      ['suspendable()', (app, handler) => app.use(suspendable(handler))],
    ]
    for (const [form, use] of forms) {
      describe(`are seen by error-handling middleware above ${form}`, () => {
        let clients: ContinuationManager
        let caught: unknown[]
        let heard: unknown[]
        let served: Served
        afterEach(() => served.close())

        const start = async (handler: (ctx: Koa.Context, continuation: Continuation) => unknown): Promise<void> => {
          clients = new ContinuationManager()
          caught = []
          heard = []
          const app = new Koa()
          app.use(async (ctx, next) => {
            try {
              await next()
            } catch (error) {
              caught.push(error)
              ctx.status = 502
              ctx.body = 'an answer of its own'
            }
          })
          use(app, (ctx) => {
            const { continuation } = ctx
            if (!continuation.isInitial()) return handler(ctx, continuation)
            continuation.addContinuationListener({ onError: (_, error) => heard.push(error) })
            continuation.suspend()
            clients.stash(continuation)
            return handler(ctx, continuation)
          })
          served = await serve(app)
        }

        const answered = async (): Promise<void> => {
          const { status, body } = await asking
          assert.deepEqual([status, body], [502, 'an answer of its own'])
          assert.deepEqual(served.errors, [])
          assert.equal(clients.size, 0)
        }
        let asking: ReturnType<Served['get']>
        const error = new Error('wrong')

        it('the error of fail()', async () => {
          let dispatches = 0
          await start(() => {
            dispatches++
          })
          asking = served.get('/')
          await until(() => clients.size === 1)
          assert.equal(clients.fail(undefined, error), 1)
          await answered()
          assert.deepEqual(caught, [error])
          assert.deepEqual(heard, [error])
          assert.equal(dispatches, 1)
        })

        it('the error of a fail() that comes before the handler returns', async () => {
          await start((_, continuation) => continuation.fail(error))
          asking = served.get('/')
          await answered()
          assert.deepEqual(caught, [error])
          assert.deepEqual(heard, [error])
        })

        it('the error of a fail() in an onTimeout listener', async () => {
          await start((_, continuation) => {
            continuation.setTimeout(1)
            continuation.addContinuationListener({ onTimeout: () => continuation.fail(error) })
          })
          asking = served.get('/')
          await answered()
          assert.deepEqual(caught, [error])
          assert.deepEqual(heard, [error])
        })

        it('the error that a second dispatch throws', async () => {
          await start((_, continuation) => {
            if (!continuation.isInitial()) throw error
          })
          asking = served.get('/')
          await until(() => clients.resume() === 1)
          await answered()
          assert.deepEqual(caught, [error])
          assert.deepEqual(heard, [])
        })

        it('the error that a handler throws after suspend(), and nobody can resume it then', async () => {
          await start(() => {
            throw error
          })
          asking = served.get('/')
          await answered()
          assert.deepEqual(caught, [error])
          assert.deepEqual(heard, [error])
        })

        it('the error that was thrown wins over a resume() before it', async () => {
          await start((_, continuation) => {
            if (!continuation.isInitial()) throw new Error('a second dispatch')
            continuation.resume()
            throw error
          })
          asking = served.get('/')
          await answered()
          assert.deepEqual(caught, [error])
        })
      })
    }
  })
})
