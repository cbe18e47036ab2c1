import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import { connect } from 'node:net'
import Koa from 'koa'
import { type Boundary, Channel, continuations, gracefulShutdown, type ShutdownOptions } from '../../src/index.js'
import { follow } from '../support/following.js'
import { until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

describe('gracefulShutdown', () => {
  let boundary: Boundary
  let app: Koa
  let served: Served

  beforeEach(() => {
    boundary = continuations()
    app = new Koa()
    app.use(boundary)
    app.use((ctx) => {
      const { continuation } = ctx
      if (ctx.path === '/plain') ctx.body = 'plain'
      else if (ctx.path === '/stuck') return new Promise(() => {})
      else if (continuation.isInitial()) continuation.suspend()
      else ctx.body = 'nothing yet'
      return undefined
    })
  })
  afterEach(async () => {
    await served?.close()
  })

  it('answers who is held, closes the server with all its connections, then does the rest', async () => {
    served = await serve(app)
    const did: string[] = []
    const shutdown = gracefulShutdown(served.server, {
      drain: boundary,
      signals: [],
      close: () => did.push(`closed, listening: ${served.server.listening}`),
    })
    const agent = new Agent({ keepAlive: true })
    await served.ask('GET', '/plain', { agent })
    // as browsers do ahead of time
    const silent = connect(served.port, '127.0.0.1')
    await once(silent, 'connect')
    const asking = served.get('/')
    await until(() => boundary.size === 1)
    const ended = shutdown()
    assert.equal(shutdown(), ended)
    assert.deepEqual([(await asking).status, (await asking).headers.connection], [200, 'close'])
    await ended
    await once(silent, 'close')
    assert.deepEqual(did, ['closed, listening: false'])
    agent.destroy()
  })

  it('at the timeout it cuts what is left', async () => {
    served = await serve(app)
    const shutdown = gracefulShutdown(served.server, { drain: [boundary], signals: [], timeout: 50 })
    const asking = served.get('/stuck')
    asking.request.on('error', () => {})
    await once(served.server, 'request')
    await shutdown()
    await assert.rejects(asking, { code: 'ECONNRESET' })
  })

  it('a channel: polls and streams are sent home', async () => {
    const channel = new Channel('news')
    served = await serve(new Koa().use(channel.subscriber()))
    const asking = served.get('/')
    const stream = await follow(served.url, { accept: 'text/event-stream' })
    await until(() => channel.waiters.size === 2)
    await gracefulShutdown(served.server, { drain: channel, signals: [], close: () => channel.close() })()
    assert.equal((await asking).status, 204)
    await until(() => stream.ended)
    assert.match(stream.text, /\nretry: \d+\n\n$/)
  })

  it('HTTP/2: sessions end', async () => {
    const over2 = await serveHttp2(app)
    const session = await over2.connect()
    const asking = askHttp2(session, { ':path': '/' })
    await until(() => boundary.size === 1)
    await gracefulShutdown(over2.server, { drain: boundary, signals: [] })()
    assert.equal((await asking).body, 'nothing yet')
    await until(() => session.closed)
  })

  it('what close throws is what it rejects with', async () => {
    served = await serve(app)
    const failure = new Error('the pool is stuck')
    const shutdown = gracefulShutdown(served.server, {
      signals: [],
      close: () => {
        throw failure
      },
    })
    await assert.rejects(shutdown(), failure)
  })

  for (const [how, drain] of [
    ['rejects', () => Promise.reject(new Error('the feed is stuck'))],
    [
      'throws',
      () => {
        throw new Error('the feed is stuck')
      },
    ],
  ] as const) {
    it(`what ${how} when it is drained keeps nobody else from the end: that is what it rejects with, at last`, async () => {
      served = await serve(app)
      const did: string[] = []
      const shutdown = gracefulShutdown(served.server, {
        drain: [{ drain }, boundary],
        signals: [],
        close: () => did.push(`closed, listening: ${served.server.listening}`),
      })
      const asking = served.get('/')
      await until(() => boundary.size === 1)
      await assert.rejects(shutdown(), { message: 'the feed is stuck' })
      assert.equal((await asking).body, 'nothing yet')
      assert.deepEqual(did, ['closed, listening: false'])
    })
  }

  it('listens to its signals until the server has closed', async () => {
    served = await serve(app)
    const before = process.listenerCount('SIGUSR2')
    gracefulShutdown(served.server, { signals: ['SIGUSR2'] })
    assert.equal(process.listenerCount('SIGUSR2'), before + 1)
    await served.close()
    assert.equal(process.listenerCount('SIGUSR2'), before)
  })

  it('begun by hand, it listens on: the first signal is not a second one', async () => {
    served = await serve(app)
    const before = process.listenerCount('SIGUSR2')
    const shutdown = gracefulShutdown(served.server, { drain: boundary, signals: ['SIGUSR2'] })
    const asking = served.get('/')
    await until(() => boundary.size === 1)
    const ended = shutdown()
    assert.equal(process.listenerCount('SIGUSR2'), before + 1)
    await asking
    await ended
    assert.equal(process.listenerCount('SIGUSR2'), before)
  })

  it('wrong options: an error with a code', () => {
    const server = createServer()
    const before = process.listenerCount('SIGTERM')
    for (const options of [
      { drain: {} },
      { drain: [boundary, 5] },
      { signals: 'SIGTERM' },
      { signals: [5] },
      { signals: [null] },
      { signals: ['SIGFOO'] },
      { signals: ['SIGTERM', 'SIGKILL'] },
      { signals: ['SIGSTOP'] },
      { close: 5 },
      { timeout: '1s' },
      { exit: true },
    ]) {
      const given = options as unknown as ShutdownOptions
      assert.throws(() => gracefulShutdown(server, given), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
    }
    assert.equal(process.listenerCount('SIGTERM'), before)
    assert.throws(() => gracefulShutdown({ close() {} } as never), { code: 'ERR_INVALID_OPTION' })
    assert.throws(() => gracefulShutdown(app as never), { code: 'ERR_INVALID_OPTION', message: /app\.listen\(\)/ })
    assert.throws(() => gracefulShutdown(server, { timeout: 0 }), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
  })
})
