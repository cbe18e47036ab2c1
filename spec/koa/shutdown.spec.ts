import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { Agent, createServer, type Server, type ServerResponse } from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import Koa from 'koa'
import { type Boundary, Channel, continuations, gracefulShutdown, type ShutdownOptions } from '../../src/index.js'
import { follow } from '../support/following.js'
import { gate, until } from '../support/gate.js'
import { start } from '../support/hosts.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

describe('gracefulShutdown', () => {
  /** More than a connection takes in while its client reads nothing. */
  const large = 32 * 1024 * 1024
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
      else if (ctx.path === '/large') ctx.body = Buffer.alloc(large)
      else if (ctx.path === '/stuck') return new Promise(() => {})
      else if (continuation.isInitial()) continuation.suspend()
      else if (ctx.path === '/stuck-again') return new Promise(() => {})
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

  it('who connects in the moment in which the server closes is answered', async () => {
    served = await serve(app)
    const shutdown = gracefulShutdown(served.server, { signals: [] })
    let ended: Promise<void> | undefined
    served.server.once('connection', () => {
      ended = shutdown()
    })
    assert.equal((await served.get('/plain')).body, 'plain')
    await ended
  })

  describe('an answer that is ended, and on its way to a client that reads slowly, is not cut', () => {
    async function shutsDown(server: Server | Http2SecureServer, client: () => Socket): Promise<void> {
      const shutdown = gracefulShutdown(server, { drain: boundary, signals: [] })
      // as a session of HTTP/2, told to close whenever idle connections are
      let looks = 0
      server.emit('session', Object.assign(new EventEmitter(), { close: () => looks++, destroy() {} }))
      const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>
      const socket = client()
      socket.write('GET /large HTTP/1.1\r\nHost: chat.example\r\n\r\n')
      const [, response] = await asked
      await until(() => response.writableEnded)
      const ended = shutdown()
      await until(() => looks > 2)
      assert.deepEqual([server.listening, response.writableFinished], [false, false])
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      await once(socket, 'close')
      const received = Buffer.concat(chunks)
      assert.equal(received.length - received.indexOf('\r\n\r\n') - 4, large)
      await ended
    }

    it('over HTTP/1.1', async () => {
      served = await serve(app)
      await shutsDown(served.server, () => connect(served.port, '127.0.0.1'))
    })

    it('over HTTP/1.1 from a server of HTTP/2', async () => {
      const { server, port, cert, close } = await serveHttp2(app)
      const options = { port, host: '127.0.0.1', ca: cert, servername: 'localhost', ALPNProtocols: ['http/1.1'] }
      await shutsDown(server, () => connectTls(options)).finally(close)
    })
  })

  it('begun by a signal, it cuts what is left in time for the rest to be done before the process ends', async () => {
    served = await serve(app)
    const did: string[] = []
    const exited = gate()
    const { exit } = process
    process.exit = (() => {
      did.push('exit')
      exited.open()
    }) as typeof exit
    try {
      const close = () => did.push('close')
      gracefulShutdown(served.server, { drain: boundary, signals: ['SIGUSR2'], timeout: 2_000, close })
      const asking = [served.get('/stuck'), served.get('/stuck-again')]
      await until(() => boundary.size === 1)
      process.emit('SIGUSR2', 'SIGUSR2')
      await exited
      assert.deepEqual(did, ['close', 'exit'])
      for (const one of asking) await assert.rejects(one, { code: 'ECONNRESET' })
    } finally {
      process.exit = exit
      // the specs may run in a process that was forked
      process.channel?.ref()
    }
  })

  it('begun by a signal, a process that has a channel to another one does not stay for that', async () => {
    const forked = await start('process', new URL('forked-server.ts', import.meta.url))
    const exited = once(forked.port as ChildProcess, 'exit')
    const { port } = await forked.hears('port')
    const held = forked.hears('held')
    const asking = fetch(`http://127.0.0.1:${port}/`)
    await held
    process.kill(forked.pid as number, 'SIGTERM')
    assert.equal(await (await asking).text(), 'nothing yet')
    assert.deepEqual(await exited, [0, null])
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
