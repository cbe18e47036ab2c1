import assert from 'node:assert/strict'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import type Koa from 'koa'
import onFinished from 'on-finished'
import { qos } from '../../../src/flow/qos.js'
import { type Continuation, ContinuationManager, continuations, PlainHold } from '../../../src/index.js'
import { collected } from '../../support/collected.js'
import { gate, turn, until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { type Asking, type Served, serve } from '../../support/serve.js'
import { askHttp2, type Http2Served, serveHttp2 } from '../../support/serve-http2.js'

/** A client that leaves without a word. */
function client(served: Served): Socket {
  const socket = connect(served.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET / HTTP/1.1\r\nHost: here\r\n\r\n`)
  return socket
}

describe('what waits for the end of a response by on-finished, as Koa does', () => {
  let clients: ContinuationManager
  let served: Served
  let over2: Http2Served | undefined
  let res: Koa.Context['res']

  beforeEach(() => {
    clients = new ContinuationManager()
  })
  afterEach(async () => {
    await served?.close()
    await over2?.close()
    over2 = undefined
  })

  /** Of one that is held: its end is heard of when it has its answer, and not before. */
  async function heardOnce(ends: number[], asking: Asking, answer: () => unknown): Promise<void> {
    assert.deepEqual(ends, [])
    answer()
    assert.equal((await asking).body, 'news')
    await until(() => ends.length > 0)
    assert.deepEqual(ends, [200])
  }

  const codes = ({ errors } = served as Pick<Served, 'errors'>) =>
    errors.map((error) => (error as NodeJS.ErrnoException).code)

  forEachKoa((_, Koa) => {
    const park: Koa.Middleware = (ctx) => {
      res = ctx.res
      const { continuation } = ctx
      if (continuation.isResumed()) {
        ctx.body = 'news'
        return
      }
      continuation.suspend()
      clients.stash(continuation)
    }
    const parked = () =>
      until(() => clients.size === 1 && clients.get([...clients][0]?.id ?? '')?.phase === 'suspended')

    it('Koa itself keeps nothing of a request that is parked, and answers it as always', async () => {
      served = await serve(new Koa().use(continuations()).use(park))
      const asking = served.get('/')
      await parked()
      assert.deepEqual([res.listenerCount('finish'), res.listenerCount('end')], [1, 0])
      assert.deepEqual(
        [res.socket?.listenerCount('error'), res.socket?.listeners('close').some(({ name }) => name === 'onevent')],
        [1, false],
      )
      clients.resume()
      assert.equal((await asking).body, 'news')
    })

    it('others hear of the true end, once', async () => {
      const ends: number[] = []
      served = await serve(
        new Koa()
          .use((ctx, next) => {
            onFinished(ctx.res, (_, { statusCode }) => ends.push(statusCode))
            return next()
          })
          .use(continuations())
          .use(park),
      )
      const asking = served.get('/')
      await parked()
      await heardOnce(ends, asking, () => clients.resume())
    })

    it('others that came after Koa was told to wait no more hear of the true end as well', async () => {
      const ends: number[] = []
      served = await serve(
        new Koa().use(continuations()).use((ctx) => {
          res = ctx.res
          const { continuation } = ctx
          const times = (continuation.getAttribute('times') as number | undefined) ?? 0
          if (times === 1) onFinished(ctx.res, (_, { statusCode }) => ends.push(statusCode))
          if (times === 2) {
            ctx.body = 'news'
            return
          }
          continuation.setAttribute('times', times + 1)
          continuation.suspend()
          clients.stash(continuation)
        }),
      )
      const asking = served.get('/')
      await parked()
      clients.resume()
      await parked()
      await heardOnce(ends, asking, () => clients.resume())
    })

    it('a response over HTTP/2 that the server cuts off has ended, and is no error besides that for which it was', async () => {
      const ends: unknown[] = []
      const app = new Koa()
      app
        .use((ctx, next) => {
          onFinished(ctx.res, (error) => ends.push(error))
          return next()
        })
        .use(continuations())
        .use(park)
      over2 = await serveHttp2(app)
      const asking = askHttp2(await over2.connect(), { ':path': '/' })
      await parked()
      const { context } = [...clients][0] as Continuation
      const failure = new Error('upstream gone')
      const body = new PassThrough()
      context.status = 200
      context.flushHeaders()
      context.body = body
      clients.complete()
      await new Promise(process.nextTick)
      body.destroy(failure)
      await assert.rejects(asking, { code: 'ERR_HTTP2_STREAM_ERROR' })
      await turn()
      assert.deepEqual(ends, [null])
      assert.deepEqual(over2.errors, [failure])
    })

    it('an error of the connection while it is parked is reported once, as by Koa', async () => {
      served = await serve(new Koa().use(continuations()).use(park))
      const socket = client(served)
      await parked()
      socket.resetAndDestroy()
      await until(() => clients.size === 0)
      assert.deepEqual(codes(), ['ECONNRESET'])
    })

    it('an error of a stream of HTTP/2 while it is parked is reported once, as by Koa', async () => {
      const app = new Koa()
      app.use(continuations()).use(park)
      over2 = await serveHttp2(app)
      const { stream } = askHttp2(await over2.connect(), { ':path': '/' })
      await parked()
      stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      await until(() => clients.size === 0)
      await turn()
      assert.deepEqual(codes(over2), ['ERR_HTTP2_STREAM_ERROR'])
    })

    for (const of of ['stream', 'session'] as const) {
      it(`an error that a ${of} of HTTP/2 is destroyed with while it is parked is reported once, as by Koa`, async () => {
        const app = new Koa()
        app.use(continuations()).use(park)
        over2 = await serveHttp2(app)
        const session = await over2.connect()
        session.on('error', () => {})
        askHttp2(session, { ':path': '/' })
        await parked()
        const { stream } = ([...clients][0] as Continuation).context.res as unknown as { stream: ServerHttp2Stream }
        const error = new Error('no more')
        if (of === 'stream') stream.destroy(error)
        else stream.session?.on('error', () => {}).destroy(error)
        await until(() => clients.size === 0)
        await turn()
        assert.deepEqual(over2.errors, [error])
      })
    }

    it('likewise where it was put aside before', async () => {
      const busy = gate()
      const line = qos({ maxRequests: 1 })
      served = await serve(
        new Koa()
          .use(line)
          .use(continuations())
          .use(async (ctx, next) => {
            if (ctx.path !== '/busy') return next()
            await busy
            ctx.body = 'done'
          })
          .use(park),
      )
      const first = served.get('/busy')
      await until(() => line.running === 1)
      const socket = client(served)
      await until(() => line.suspended === 1)
      busy.open()
      await first
      await parked()
      socket.resetAndDestroy()
      await until(() => clients.size === 0)
      assert.deepEqual(codes(), ['ECONNRESET'])
    })

    it('a client that leaves while it is parked is no error', async () => {
      served = await serve(new Koa().use(continuations()).use(park))
      const socket = client(served)
      await parked()
      socket.end()
      await until(() => clients.size === 0)
      assert.deepEqual(codes(), [])
    })

    it('an error of the connection in the middle of the answer is reported once, and its stream destroyed', async () => {
      const body = new PassThrough()
      served = await serve(
        new Koa()
          .use(continuations())
          .use(async (ctx, next) => {
            await next()
            if (ctx.body === 'news') {
              body.write('begun')
              ctx.body = body
            }
          })
          .use(park),
      )
      const socket = client(served)
      await parked()
      clients.resume()
      await until(() => res.headersSent)
      socket.resetAndDestroy()
      await until(() => body.destroyed)
      const resets = () => codes().filter((code) => code === 'ECONNRESET').length
      await until(() => resets() > 0)
      await turn()
      assert.equal(resets(), 1)
    })

    describe('above a plain hold', () => {
      it('Koa keeps nothing, and the context goes', async () => {
        const hold = new PlainHold()
        let ctx: WeakRef<object> | undefined
        served = await serve(
          new Koa().use((context) => {
            ctx = new WeakRef(context)
            res = context.res
            hold.hold(context as Koa.Context)
          }),
        )
        const asking = served.get('/')
        await until(() => hold.size === 1)
        assert.deepEqual([res.listenerCount('finish'), res.listenerCount('end')], [1, 0])
        await collected([ctx])
        hold.broadcast({ body: 'news' })
        assert.equal((await asking).body, 'news')
      })

      it('others hear of the true end, once', async () => {
        const hold = new PlainHold()
        const ends: number[] = []
        served = await serve(
          new Koa()
            .use((ctx, next) => {
              onFinished(ctx.res, (_, { statusCode }) => ends.push(statusCode))
              return next()
            })
            .use((ctx) => {
              hold.hold(ctx as Koa.Context)
            }),
        )
        const asking = served.get('/')
        await until(() => hold.size === 1)
        await heardOnce(ends, asking, () => hold.broadcast({ body: 'news' }))
      })

      it('a client that leaves in whatever way is no error', async () => {
        const hold = new PlainHold()
        served = await serve(
          new Koa().use((ctx) => {
            hold.hold(ctx as Koa.Context)
          }),
        )
        for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
          const socket = client(served)
          await until(() => hold.size === 1)
          socket[leave]()
          await until(() => hold.size === 0)
        }
        assert.deepEqual(codes(), [])
      })

      it('a client that resets its stream of HTTP/2 for whatever reason is no error', async () => {
        const hold = new PlainHold()
        const app = new Koa()
        app.use((ctx) => {
          hold.hold(ctx as Koa.Context)
        })
        over2 = await serveHttp2(app)
        const session = await over2.connect()
        for (const reason of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR]) {
          const { stream } = askHttp2(session, { ':path': '/' })
          await until(() => hold.size === 1)
          stream.close(reason)
          await until(() => hold.size === 0)
        }
        await turn()
        assert.deepEqual(codes(over2), [])
      })
    })
  })
})
