import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import { get } from 'node:https'
import { Readable } from 'node:stream'
import { bodyParser } from '@koa/bodyparser'
import type Koa from 'koa'
import { type Continuation, ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { gate, turn, until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { ManualClock } from '../../support/manual-clock.js'
import { askHttp2, type Http2Served, serveHttp2, takeNothing } from '../../support/serve-http2.js'

describe('held requests over HTTP/2', () => {
  forEachKoa((name, Koa) => {
    const forms: [form: string, use: (app: Koa, handler: Koa.Middleware, clock: ManualClock) => void][] = [
      ['continuations()', (app, handler, clock) => app.use(continuations({ clock })).use(handler)],
      ['suspendable()', (app, handler, clock) => app.use(continuations({ clock })).use(suspendable(handler))],
    ]
    for (const [form, use] of forms) {
      describe(`with ${form}`, () => {
        let clients: ContinuationManager
        let clock: ManualClock
        let heard: string[]
        let served: Http2Served
        let session: ClientHttp2Session
        afterEach(() => served.close())

        const start = async (
          answer: Koa.Middleware = (ctx) => {
            ctx.body = `news for ${ctx.path}`
          },
        ): Promise<void> => {
          clients = new ContinuationManager()
          clock = new ManualClock()
          heard = []
          const app = new Koa()
          app.use(bodyParser() as unknown as Koa.Middleware)
          const handler: Koa.Middleware = (ctx, next) => {
            const { continuation } = ctx
            if (!continuation.isInitial() || ctx.path === '/plain') return answer(ctx, next)
            const hear = (event: string) => () => heard.push(`${event} ${ctx.path}`)
            continuation.addContinuationListener({
              onDisconnect: hear('onDisconnect'),
              onComplete: hear('onComplete'),
            })
            continuation.suspend()
            clients.stash(continuation, ctx.path)
            ctx.status = 202
            ctx.set('X-Half', 'yes')
            ctx.body = 'half an answer'
            return undefined
          }
          use(app, handler, clock)
          served = await serveHttp2(app)
          session = await served.connect()
        }
        const ask = (path: string, headers = {}, body?: string) =>
          askHttp2(session, { ':path': path, ...headers }, body)
        const held = (...paths: string[]) => until(() => paths.every((path) => [...clients.keys()].includes(path)))

        for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL]) {
          it(`a client that takes nothing of what was begun, and leaves with code ${code}, is noticed at once`, async () => {
            const app = new Koa()
            const ends: string[] = []
            const handler: Koa.Middleware = async (ctx) => {
              ctx.respond = false
              ctx.res.write('half an answer')
              ctx.continuation.addContinuationListener({ onComplete: () => ends.push('completed') })
              ends.push(await ctx.continuation.wait())
              ctx.res.end()
            }
            use(app, handler, new ManualClock())
            served = await serveHttp2(app)
            session = await served.connect()
            await takeNothing(session)
            const { stream } = ask('/')
            await once(stream, 'response')
            stream.close(code)
            await until(() => ends.length === 2)
            await turn()
            assert.deepEqual(ends.sort(), ['completed', 'disconnected'])
            assert.deepEqual(served.errors, [])
          })
        }

        it('suspend, resume: the answer is that of a handler that never suspends', async () => {
          await start((ctx) => {
            ctx.status = 201
            ctx.set('X-News', ['one', 'two'])
            ctx.cookies.set('seen', 'yes')
            ctx.body = { news: 'none' }
          })
          const plain = await ask('/plain')
          const asking = ask('/held')
          await held('/held')
          assert.equal(clients.resume('/held'), 1)
          const answer = await asking
          assert.deepEqual(answer, plain)
          assert.equal(answer.status, 201)
          assert.equal(answer.headers['x-half'], undefined)
          assert.equal(answer.body, '{"news":"none"}')
          await until(() => heard.length === 1)
          assert.deepEqual(heard, ['onComplete /held'])
          assert.deepEqual(served.errors, [])
        })

        it('complete() sends what the context holds, fail() the error, and the end of the time dispatches again', async () => {
          await start()
          const paths = ['/complete', '/fail', '/expire']
          const [complete, fail, expire] = paths.map((path) => ask(path))
          await held(...paths)
          clients.complete('/complete')
          clients.fail('/fail', Object.assign(new Error('taken'), { status: 409, expose: true }))
          assert.deepEqual([(await complete)?.status, (await complete)?.body], [202, 'half an answer'])
          assert.deepEqual([(await fail)?.status, (await fail)?.body], [409, 'taken'])
          clock.advance(30_000)
          assert.deepEqual([(await expire)?.status, (await expire)?.body], [200, 'news for /expire'])
          await until(() => heard.length === 3)
          assert.deepEqual(heard.sort(), ['onComplete /complete', 'onComplete /expire', 'onComplete /fail'])
        })

        it('streams of one session are held together, and answered as they are resumed', async () => {
          await start()
          const paths = ['/a', '/b', '/c', '/d']
          const answered: string[] = []
          const askings = paths.map((path) =>
            ask(path).then(({ body }) => {
              answered.push(body)
            }),
          )
          await held(...paths)
          assert.equal((await ask('/plain')).body, 'news for /plain')
          for (const path of paths.toReversed()) {
            const { length } = answered
            clients.resume(path)
            await until(() => answered.length > length)
          }
          await Promise.all(askings)
          assert.deepEqual(
            answered,
            paths.toReversed().map((path) => `news for ${path}`),
          )
        })

        it('a POST is held with its body', async () => {
          await start((ctx) => {
            ctx.body = (ctx.request as unknown as { body: unknown }).body
          })
          const asking = ask('/held', { ':method': 'POST', 'content-type': 'application/json' }, '{"message":"hello"}')
          await held('/held')
          clients.resume('/held')
          assert.equal((await asking).body, '{"message":"hello"}')
        })

        // Koa 2 never answers a HEAD over HTTP/2, held or not
        if (name !== 'Koa 2') {
          it('a HEAD is held, and answered without a body', async () => {
            await start()
            const plain = await ask('/plain', { ':method': 'HEAD' })
            const asking = ask('/helds', { ':method': 'HEAD' })
            await held('/helds')
            clients.resume('/helds')
            assert.deepEqual(await asking, plain)
            assert.equal(plain.headers['content-length'], String('news for /plain'.length))
            await until(() => heard.length > 0)
            await turn()
            assert.deepEqual(heard, ['onComplete /helds'])
          })
        }

        it('a client that resets its stream is forgotten, and the others are not', async () => {
          await start()
          const [leaving, staying] = [ask('/leaving'), ask('/staying')]
          await held('/leaving', '/staying')
          const [gone] = clients as Iterable<Continuation>
          leaving.stream.close(constants.NGHTTP2_CANCEL)
          await until(() => heard.length === 2)
          assert.deepEqual(heard, ['onDisconnect /leaving', 'onComplete /leaving'])
          assert.deepEqual([...clients.keys()], ['/staying'])
          assert.equal(gone?.resume(), false)
          assert.equal(gone?.signal.aborted, true)
          clients.resume('/staying')
          assert.equal((await staying).body, 'news for /staying')
          assert.deepEqual(served.errors, [])
          await until(() => heard.length === 3)
          assert.deepEqual(heard.slice(2), ['onComplete /staying'])
        })

        it('a client that resets its HEAD is forgotten', async () => {
          await start()
          const asking = ask('/held', { ':method': 'HEAD' })
          await held('/held')
          asking.stream.close(constants.NGHTTP2_CANCEL)
          await until(() => heard.length === 2)
          assert.deepEqual(heard, ['onDisconnect /held', 'onComplete /held'])
          assert.deepEqual([clients.size, clock.timers, served.errors], [0, 0, []])
        })

        it('a client that resets a POST whose body it has not finished is forgotten', async () => {
          await start()
          const stream = session.request({ ':path': '/held', ':method': 'POST', 'content-type': 'text/plain' })
          stream.on('error', () => {})
          stream.write('x'.repeat(1_000))
          await held('/held')
          stream.close(constants.NGHTTP2_CANCEL)
          await until(() => heard.length === 2)
          assert.deepEqual(heard, ['onDisconnect /held', 'onComplete /held'])
          assert.equal(clients.size, 0)
        })

        for (const announced of [true, false]) {
          it(`a body that nobody reads, its length ${announced ? '' : 'not '}announced, is drained: all of it is sent, and the end of its stream is seen`, async () => {
            await start()
            const body = Buffer.alloc(1_000_000, 'x')
            const length = announced ? { 'content-length': body.length } : {}
            const stream = session.request({
              ':path': '/held',
              ':method': 'POST',
              'content-type': 'text/plain',
              ...length,
            })
            stream.on('error', () => {})
            stream.end(body)
            await held('/held')
            await until(() => stream.writableFinished)
            stream.close(constants.NGHTTP2_NO_ERROR)
            await until(() => heard.length === 2)
            assert.deepEqual(heard, ['onDisconnect /held', 'onComplete /held'])
            assert.equal(clients.size, 0)
          })
        }

        it('a client that has reset its stream before the handler suspends is not held', async () => {
          const asked = gate()
          const late = gate()
          await start(async (ctx) => {
            const { res } = ctx as unknown as { res: { stream: { destroyed: boolean } } }
            asked.open()
            await until(() => res.stream.destroyed)
            const { continuation } = ctx
            continuation.addContinuationListener({
              onDisconnect: () => heard.push('onDisconnect'),
              onComplete: () => late.open(),
            })
            continuation.suspend()
            clients.stash(continuation)
          })
          const asking = ask('/plain')
          await asked
          asking.stream.close(constants.NGHTTP2_CANCEL)
          await late
          assert.deepEqual(heard, ['onDisconnect'])
          assert.equal(clients.size, 0)
          assert.equal(clock.timers, 0)
        })

        it('a client that closes its connection is forgotten with all its streams', async () => {
          await start()
          const paths = ['/a', '/b', '/c']
          for (const path of paths) ask(path)
          await held(...paths)
          session.destroy()
          await until(() => heard.length === 6)
          assert.deepEqual(heard.toSorted(), [
            ...paths.map((path) => `onComplete ${path}`),
            ...paths.map((path) => `onDisconnect ${path}`),
          ])
          assert.equal(clients.size, 0)
          assert.deepEqual(served.errors, [])
        })

        it('a body that fails before complete() has sent it, its head sent: the client sees that this is not all', async () => {
          await start()
          const asking = ask('/held')
          await held('/held')
          const { context } = [...clients][0] as Continuation
          const failure = new Error('upstream gone')
          context.status = 200
          context.flushHeaders()
          context.body = new Readable({ read() {} })
          clients.complete('/held')
          await new Promise(process.nextTick)
          ;(context.body as Readable).destroy(failure)
          await assert.rejects(asking, { code: 'ERR_HTTP2_STREAM_ERROR' })
          await until(() => heard.length === 2)
          assert.deepEqual(served.errors, [failure])
        })

        it('a client of HTTP/1.1 at the same port is held as well', async () => {
          await start()
          const sent = get(`https://127.0.0.1:${served.port}/held`, {
            ca: served.cert,
            servername: 'localhost',
            agent: false,
          })
          await held('/held')
          clients.resume('/held')
          const [response] = await once(sent, 'response')
          assert.equal(response.httpVersion, '1.1')
          assert.equal(response.statusCode, 200)
          response.resume()
          await once(response, 'end')
        })
      })
    }
  })
})
