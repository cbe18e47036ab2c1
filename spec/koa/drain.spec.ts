import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import Koa from 'koa'
import {
  type Boundary,
  ContinuationManager,
  continuations,
  type Drained,
  type DrainOptions,
  PlainHold,
} from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

const now: DrainOptions = { rate: Number.POSITIVE_INFINITY }

describe('drain over HTTP', () => {
  let clock: ManualClock
  let boundary: Boundary
  let clients: ContinuationManager
  let app: Koa
  let served: Served
  let slow: ReturnType<typeof gate<void>>

  beforeEach(() => {
    slow = gate()
    clock = new ManualClock()
    boundary = continuations({ clock })
    clients = new ContinuationManager()
    app = new Koa()
    app.use(async (ctx, next) => {
      if (ctx.path === '/above') {
        ctx.body = 'plain'
        return
      }
      if (ctx.path === '/late') await slow
      await next()
    })
    app.use(boundary)
    app.use(async (ctx) => {
      const { continuation } = ctx
      if (ctx.path === '/slow') await slow
      if (ctx.path === '/kept') ctx.set('Connection', 'keep-alive')
      if (['/plain', '/slow', '/late', '/kept'].includes(ctx.path)) ctx.body = 'plain'
      else if (ctx.path === '/own') {
        ctx.respond = false
        ctx.res.end('plain')
      } else if (ctx.path === '/wait') ctx.body = await continuation.wait()
      else if (continuation.isInitial()) {
        continuation.suspend()
        if (ctx.path === '/stashed') clients.stash(continuation)
      } else ctx.body = continuation.isExpired() ? 'nothing yet' : continuation.getAttribute('message')
    })
  })
  afterEach(async () => {
    await served?.close()
  })

  const held = (count: number) => until(() => boundary.size === count)

  it('of continuations(): what is held expires, its connection closes, and nobody is held any more', async () => {
    served = await serve(app)
    const agent = new Agent({ keepAlive: true })
    const suspended = served.ask('GET', '/', { agent })
    const waiting = served.ask('GET', '/wait', { agent })
    await held(2)
    assert.equal(boundary.size, 2)

    const draining = boundary.drain(now)
    const refused = await served.ask('GET', '/', { agent })
    assert.equal(refused.status, 503)
    assert.match(refused.headers['retry-after'] ?? '', /^([1-9]|10)$/)
    assert.equal(refused.headers.connection, 'close')
    const plain = await served.ask('GET', '/plain', { agent })
    assert.deepEqual([plain.status, plain.headers.connection], [200, 'close'])

    clock.advance(1)
    for (const [asking, body] of [
      [suspended, 'nothing yet'],
      [waiting, 'expired'],
    ] as const) {
      const answer = await asking
      assert.deepEqual([answer.status, answer.body, answer.headers.connection], [200, body, 'close'])
    }
    assert.deepEqual(await draining, { held: 2, failed: 0 })
    assert.deepEqual([boundary.size, clock.timers], [0, 0])
    assert.deepEqual(
      served.errors.map((error) => (error as { code?: string }).code),
      ['ERR_DRAINING'],
    )
    agent.destroy()
  })

  it('one that is in its handler when it begins is answered on a connection that closes', async () => {
    served = await serve(app)
    const agent = new Agent({ keepAlive: true })
    const asked = once(served.server, 'request')
    const asking = served.ask('GET', '/slow', { agent })
    await asked
    assert.deepEqual(await boundary.drain(now), { held: 0, failed: 0 })
    slow.open()
    assert.equal((await asking).headers.connection, 'close')
  })

  it('one whose handler suspends on every path is answered 503', async () => {
    app = new Koa()
    app.silent = true
    app.use(boundary)
    app.use((ctx) => ctx.continuation.suspend())
    served = await serve(app)
    const asking = served.get('/')
    await held(1)
    const draining = boundary.drain(now)
    clock.advance(1)
    assert.equal((await asking).status, 503)
    assert.deepEqual(await draining, { held: 1, failed: 0 })
  })

  it('of a manager: those it keeps, and no others', async () => {
    served = await serve(app)
    const stashed = served.get('/stashed')
    const other = served.get('/')
    await held(2)
    await until(() => clients.size === 1)
    const draining = clients.drain(now)
    clock.advance(1)
    assert.equal((await stashed).body, 'nothing yet')
    assert.deepEqual(await draining, { held: 1, failed: 0 })
    assert.equal((await served.get('/stashed')).status, 503)
    assert.equal(boundary.size, 1)
    clock.advance(30_000)
    assert.equal((await other).body, 'nothing yet')
  })

  it('a second time: those that are left, in the time it is given', async () => {
    served = await serve(app)
    const asking = served.get('/')
    await held(1)
    const first = boundary.drain({ timeout: 60_000, rate: 1 })
    const second = boundary.drain(now)
    clock.advance(1)
    assert.equal((await asking).status, 200)
    assert.deepEqual(await Promise.all([first, second]), [
      { held: 1, failed: 0 },
      { held: 1, failed: 0 },
    ] satisfies Drained[])
  })

  it('wrong options: an error with a code, and nothing is refused', async () => {
    served = await serve(app)
    for (const drain of [boundary.drain, clients.drain.bind(clients)]) {
      for (const options of [{ timeout: '1s' }, { rate: 'slow' }, { end: 5 }, { within: 5 }, null]) {
        await assert.rejects(drain(options as DrainOptions), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      }
      for (const options of [{ timeout: 0 }, { timeout: 2 ** 31 }, { rate: 0 }]) {
        await assert.rejects(drain(options), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
      }
    }
    const asking = served.get('/stashed')
    await until(() => clients.size === 1)
    clients.resume(undefined, { message: 'still there' })
    assert.equal((await asking).body, 'still there')
  })

  it('HTTP/2: the answers come, and the session ends with them', async () => {
    const over2 = await serveHttp2(app)
    try {
      const session = await over2.connect()
      const asking = askHttp2(session, { ':path': '/' })
      await held(1)
      const draining = boundary.drain(now)
      clock.advance(1)
      assert.deepEqual([(await asking).status, (await asking).body], [200, 'nothing yet'])
      assert.deepEqual(await draining, { held: 1, failed: 0 })
      await until(() => session.closed)
      assert.deepEqual(over2.errors, [])
    } finally {
      await over2.close()
    }
  })

  it('a PlainHold below it, which lets go of what it holds: who asks while it drains has the answer, and the connection closes', async () => {
    const news = new PlainHold({ compact: true })
    app = new Koa()
    app.use(boundary)
    app.use((ctx) => {
      news.hold(ctx)
    })
    served = await serve(app)
    await boundary.drain(now)
    const agent = new Agent({ keepAlive: true })
    const asked = once(served.server, 'request') as Promise<[unknown, ServerResponse]>
    const asking = served.ask('GET', '/', { agent })
    const [, response] = await asked
    await until(() => response.writableEnded)
    news.broadcast({ body: 'news' })
    assert.deepEqual([(await asking).body, (await asking).headers.connection], ['news', 'close'])
    agent.destroy()
  })

  describe('pipelined: all that were asked are answered, in order, and the connection closes with the last', () => {
    let ask: (...paths: string[]) => Promise<void>
    /** What was said of the connection, and the bodies, once it is closed. */
    let answers: () => Promise<string[] | null>

    beforeEach(async () => {
      served = await serve(app)
      served.server.keepAliveTimeout = 0
      let asked = 0
      served.server.on('request', () => {
        asked++
      })
      const socket = connect(served.port, '127.0.0.1')
      let received = ''
      socket.on('data', (chunk: Buffer) => {
        received += chunk
      })
      const closed = once(socket, 'close')
      ask = (...paths) => {
        const all = asked + paths.length
        socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: chat.example\r\n\r\n`).join(''))
        return until(() => asked === all)
      }
      answers = async () => {
        await closed
        return received.match(/(?<=Connection: |\r\n\r\n)(?:keep-alive|close|nothing yet|plain|expired)/g)
      }
    })

    const bodies: Record<string, string> = { '/': 'nothing yet', '/wait': 'expired' }

    for (const [last, paths, more, said] of [
      ['held', ['/', '/plain', '/wait'], [], 'close'],
      ['answered already, behind others', ['/', '/wait', '/plain'], [], 'keep-alive'],
      ['answered already, above the boundary', ['/', '/wait', '/above'], [], 'keep-alive'],
      ['still above the boundary', ['/', '/wait', '/late'], [], 'close'],
      ['still to be answered, and came later', ['/', '/wait', '/plain'], ['/slow'], 'close'],
      ['answered at once, and came later', ['/', '/wait'], ['/plain'], 'close'],
      ['answered at once, and came later with one that is not', [], ['/slow', '/plain'], 'close'],
      ['still to be answered, and came later with one that is not', [], ['/plain', '/slow'], 'close'],
      ['writing its own head', [], ['/slow', '/own'], 'close'],
      ['saying itself that the connection is kept', [], ['/slow', '/kept'], 'keep-alive'],
    ] as const) {
      it(`which is ${last}`, async () => {
        const waiting = paths.filter((path) => path in bodies).length
        await ask(...paths)
        await held(waiting)
        const draining = boundary.drain(now)
        await ask(...more)
        clock.advance(1)
        assert.deepEqual(await draining, { held: waiting, failed: 0 })
        slow.open()
        const all = [...paths, ...more]
        assert.deepEqual(
          await answers(),
          all.flatMap((path, place) => [place === all.length - 1 ? said : 'keep-alive', bodies[path] ?? 'plain']),
        )
      })
    }

    it('where only a manager is drained', async () => {
      await ask('/stashed')
      await until(() => clients.size === 1)
      const draining = clients.drain(now)
      await ask('/plain')
      clock.advance(1)
      assert.deepEqual(await draining, { held: 1, failed: 0 })
      assert.deepEqual(await answers(), ['keep-alive', 'nothing yet', 'keep-alive', 'plain'])
    })
  })
})
