import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type Koa from 'koa'
import {
  type Boundary,
  type Continuation,
  ContinuationManager,
  continuations,
  PlainHold,
  suspendable,
} from '../../../src/index.js'
import { collected } from '../../support/collected.js'
import { gate, turn, until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { ManualClock } from '../../support/manual-clock.js'
import { type Served, serve } from '../../support/serve.js'

describe('held requests that are pipelined', () => {
  let clients: ContinuationManager
  let clock: ManualClock
  let heard: string[]
  let served: Served
  afterEach(() => served.close())

  const handler: Koa.Middleware = (ctx) => {
    const { continuation } = ctx
    if (ctx.path.startsWith('/plain') || !continuation.isInitial()) {
      ctx.body = `news for ${ctx.path}`
      return
    }
    const hear = (event: string) => () => heard.push(`${event} ${ctx.path}`)
    continuation.addContinuationListener({ onDisconnect: hear('onDisconnect'), onComplete: hear('onComplete') })
    continuation.suspend()
    clients.stash(continuation, ctx.path)
    ctx.body = 'half an answer'
  }

  const held = (...paths: string[]) => until(() => paths.every((path) => [...clients.keys()].includes(path)))

  forEachKoa((_, Koa) => {
    for (const [form, use] of [
      ['continuations()', (app: Koa) => app.use(continuations({ clock })).use(handler)],
      ['suspendable()', (app: Koa) => app.use(continuations({ clock })).use(suspendable(handler))],
    ] as const) {
      describe(`with ${form}`, () => {
        beforeEach(async () => {
          clients = new ContinuationManager()
          clock = new ManualClock()
          heard = []
          const app = new Koa()
          use(app)
          served = await serve(app)
        })

        let socket: Socket
        let received: string
        afterEach(() => socket.destroy())

        /** Writes all requests at once. */
        const write = async (...paths: string[]): Promise<void> => {
          received = ''
          socket = connect(served.port, '127.0.0.1')
          socket.on('data', (chunk: Buffer) => {
            received += chunk.toString()
          })
          socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: chat.example\r\n\r\n`).join(''))
          await once(socket, 'connect')
        }
        const bodies = () => [...received.matchAll(/news for \/[a-z]+|half an answer/g)].map(([body]) => body)

        it('the first is held, the second answers: the answers come in order', async () => {
          await write('/a', '/plain')
          await held('/a')
          await turn()
          assert.equal(received, '')
          clients.resume('/a')
          await until(() => bodies().length === 2)
          assert.deepEqual(bodies(), ['news for /a', 'news for /plain'])
        })

        it('the first answers, the second is held', async () => {
          await write('/plain', '/a')
          await held('/a')
          await until(() => bodies().length === 1)
          clients.resume('/a')
          await until(() => bodies().length === 2)
          assert.deepEqual(bodies(), ['news for /plain', 'news for /a'])
        })

        it('all are held and resumed in reverse: the answers come in order', async () => {
          await write('/a', '/b', '/c')
          await held('/a', '/b', '/c')
          for (const path of ['/c', '/b']) {
            assert.equal(clients.resume(path), 1)
            await turn()
            assert.equal(received, '')
          }
          assert.deepEqual(heard, [])
          clients.resume('/a')
          await until(() => bodies().length === 3)
          assert.deepEqual(bodies(), ['news for /a', 'news for /b', 'news for /c'])
          await until(() => heard.length === 3)
          assert.deepEqual(heard, ['onComplete /a', 'onComplete /b', 'onComplete /c'])
          assert.deepEqual(served.errors, [])
        })

        it('nothing of them stays on the connection when they are answered', async () => {
          await write('/a', '/b')
          await held('/a', '/b')
          const responses = [...clients].map(({ context }) => new WeakRef((context as Koa.Context).res))
          clients.broadcast()
          await until(() => bodies().length === 2)
          // Node keeps the request that came last
          socket.write('GET /plain HTTP/1.1\r\nHost: chat.example\r\n\r\n')
          await until(() => bodies().length === 3)
          await collected(responses)
          assert.equal(socket.destroyed, false)
        })

        it('a whole row of them takes one listener on the socket', async () => {
          const paths = Array.from('abcdefghijklmnopqrst', (letter) => `/${letter}`)
          await write(...paths)
          await held(...paths)
          for (const path of paths.toReversed()) clients.resume(path)
          await until(() => bodies().length === paths.length)
          assert.deepEqual(
            bodies(),
            paths.map((path) => `news for ${path}`),
          )
        })

        it('complete(), the end of the time and resume() in reverse: the answers come in order', async () => {
          await write('/a', '/b', '/c')
          await held('/a', '/b', '/c')
          clients.complete('/c')
          clients.resume('/b')
          await until(() => clock.timers === 1)
          clock.advance(30_000)
          await until(() => bodies().length === 3)
          assert.deepEqual(bodies(), ['news for /a', 'news for /b', 'half an answer'])
        })

        it('a client that closes is forgotten with all that it has asked', async () => {
          await write('/a', '/b', '/c')
          await held('/a', '/b', '/c')
          const waiting = [...clients] as Continuation[]
          socket.destroy()
          await until(() => heard.length === 6)
          assert.deepEqual(heard.toSorted(), [
            ...['/a', '/b', '/c'].map((path) => `onComplete ${path}`),
            ...['/a', '/b', '/c'].map((path) => `onDisconnect ${path}`),
          ])
          assert.equal(clients.size, 0)
          assert.equal(clock.timers, 0)
          for (const continuation of waiting) {
            assert.equal(continuation.resume(), false)
            assert.equal(continuation.signal.aborted, true)
          }
          assert.deepEqual(served.errors, [])
        })

        it('a client that closes when the second is answered already, but not sent, is forgotten', async () => {
          await write('/a', '/b')
          await held('/a', '/b')
          clients.resume('/b')
          await until(() => clients.size === 1)
          socket.destroy()
          await until(() => heard.filter((event) => event.startsWith('onComplete')).length === 2)
          assert.deepEqual(heard.toSorted(), ['onComplete /a', 'onComplete /b', 'onDisconnect /a', 'onDisconnect /b'])
        })

        it('a client that closes after the first answer is forgotten with the second', async () => {
          await write('/a', '/b')
          await held('/a', '/b')
          clients.resume('/a')
          await until(() => bodies().length === 1)
          await until(() => heard.length === 1)
          socket.destroy()
          await until(() => heard.length === 3)
          assert.deepEqual(heard, ['onComplete /a', 'onDisconnect /b', 'onComplete /b'])
          assert.equal(clients.size, 0)
        })

        it('a client that only ends its side has left as well, as Node sees it', async () => {
          await write('/a', '/b')
          await held('/a', '/b')
          socket.end()
          await until(() => heard.length === 4)
          assert.deepEqual(heard.toSorted(), ['onComplete /a', 'onComplete /b', 'onDisconnect /a', 'onDisconnect /b'])
          assert.equal(clients.size, 0)
        })
      })
    }

    describe('behind one another, and the body of the second was begun and left above the boundary', () => {
      let boundary: Boundary
      let socket: Socket
      let received: string
      beforeEach(async () => {
        clients = new ContinuationManager()
        clock = new ManualClock()
        heard = []
        boundary = continuations({ clock })
        const app = new Koa()
        app.use(async ({ req }, next) => {
          for await (const _ of req) break
          assert.equal(req.socket === null, req.method === 'POST')
          await next()
        })
        app.use(boundary).use(handler)
        served = await serve(app)
        received = ''
        socket = connect(served.port, '127.0.0.1')
        socket.on('data', (chunk: Buffer) => {
          received += chunk.toString()
        })
        socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx')
        await held('/a', '/b')
      })
      afterEach(() => socket.destroy())

      it('a client that closes is forgotten with both', async () => {
        socket.destroy()
        await until(() => heard.length === 4)
        assert.deepEqual(heard.toSorted(), ['onComplete /a', 'onComplete /b', 'onDisconnect /a', 'onDisconnect /b'])
        assert.deepEqual([clients.size, served.errors], [0, []])
      })

      it('drain: both are answered, in order, and the connection closes with the second', async () => {
        const closed = once(socket, 'close')
        const draining = boundary.drain({ rate: Number.POSITIVE_INFINITY })
        clock.advance(1)
        assert.deepEqual(await draining, { held: 2, failed: 0 })
        await closed
        assert.deepEqual(received.match(/news for \/[ab]|(?<=Connection: )[a-z-]+/g), [
          'keep-alive',
          'news for /a',
          'close',
          'news for /b',
        ])
      })
    })

    it('a PlainHold leaves nothing of them on the connection when they are answered', async () => {
      const clients = new PlainHold()
      const responses: WeakRef<Koa.Context['res']>[] = []
      const app = new Koa()
      app.use((ctx) => {
        responses.push(new WeakRef(ctx.res))
        if (ctx.path === '/plain') ctx.status = 204
        else clients.hold(ctx as Koa.Context)
      })
      served = await serve(app)
      const socket = connect(served.port, '127.0.0.1')
      let received = ''
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString()
      })
      const answers = (count: number) => until(() => received.split('HTTP/1.1 204').length === count + 1)
      const ask = (path: string) => socket.write(`GET ${path} HTTP/1.1\r\nHost: chat.example\r\n\r\n`)
      ask('/a')
      ask('/b')
      await until(() => clients.size === 2)
      // the second one has no socket yet
      assert.deepEqual(
        responses.map((response) => response.deref()?.socket === null),
        [false, true],
      )
      clients.broadcast({})
      await answers(2)
      ask('/plain')
      await answers(3)
      await collected(responses.slice(0, 2))
      assert.equal(socket.destroyed, false)
      socket.destroy()
    })

    for (const ending of ['returns', 'throws']) {
      it(`a client that has closed before the handler asks for its continuation, and ${ending}, has left`, async () => {
        const heard: string[] = []
        const [reached, closed] = [gate<Socket>(), gate()]
        let asked: Continuation | undefined
        const app = new Koa()
        app.use(continuations())
        app.use(async (ctx) => {
          if (ctx.path === '/first') {
            ctx.continuation.suspend(0)
            return
          }
          reached.open(ctx.req.socket)
          await closed
          asked = ctx.continuation
          asked.addContinuationListener({
            onDisconnect: () => heard.push('onDisconnect'),
            onComplete: () => heard.push('onComplete'),
          })
          heard.push(`aborted: ${asked.signal.aborted}`)
          if (ending === 'throws') throw new Error('nobody hears it')
        })
        served = await serve(app)
        const socket = connect(served.port, '127.0.0.1')
        socket.write(['/first', '/second'].map((path) => `GET ${path} HTTP/1.1\r\nHost: chat.example\r\n\r\n`).join(''))
        const closing = once(await reached, 'close')
        socket.destroy()
        await closing
        closed.open()
        await until(() => asked?.phase === 'ended')
        assert.deepEqual(heard, ['aborted: true', 'onDisconnect', 'onComplete'])
      })
    }
  })
})
