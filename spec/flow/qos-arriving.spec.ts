import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { bodyParser } from '@koa/bodyparser'
import type Koa from 'koa'
import { BodyTimeoutError, type QosOptions, qos } from '../../src/flow/qos.js'
import { until } from '../support/gate.js'
import { serveHttp2 } from '../support/serve-http2.js'
import { type QosScene, qosScene } from './qos-scene.js'

describe('qos() and a body that comes slowly', () => {
  let stage: QosScene
  let sockets: Socket[]
  beforeEach(() => {
    sockets = []
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await until(() => stage.qos.arriving === 0)
    await stage.end()
    assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [0, 0, 0])
  })

  const bodies: (string | undefined)[] = []
  const start = async (options: QosOptions = {}): Promise<void> => {
    bodies.length = 0
    stage = await qosScene({ timeout: 100, ...options }, (app, limit, handler) => {
      app.use(limit)
      app.use(bodyParser() as unknown as Koa.Middleware)
      app.use((ctx, next) => {
        bodies.push((ctx.request as unknown as { rawBody: string }).rawBody)
        return next()
      })
      app.use(handler)
    })
  }

  /** A client that sends what it is told. */
  const post = (length: number, sent: string, path = '/slow'): { socket: Socket; got: () => string } => {
    const socket = connect(stage.port, '127.0.0.1')
    sockets.push(socket)
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk
    })
    socket.on('error', () => {})
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
    socket.write(head + sent)
    return { socket, got: () => received }
  }

  it('takes no place up, and none in the line, until it is here', async () => {
    await start({ maxSuspended: 0 })
    const { socket, got } = post(12, '{"a":')
    await until(() => stage.qos.arriving === 1)
    assert.deepEqual([stage.qos.running, stage.qos.suspended], [0, 0])
    const { asking, visit } = await stage.enter('/quick')
    visit.answer()
    assert.equal((await asking).status, 200)
    socket.write('"b')
    socket.write('c"  }')
    ;(await stage.visit('/slow')).answer()
    await until(() => got().endsWith('answer to /slow'))
    assert.deepEqual(bodies, [undefined, '{"a":"bc"  }'])
    assert.equal(stage.qos.arriving, 0)
  })

  it('stands in the line from when it is here', async () => {
    await start()
    const { visit } = await stage.enter('/1')
    const { socket } = post(2, '')
    await until(() => stage.qos.arriving === 1)
    const second = await stage.queue('/2')
    socket.write('{}')
    await until(() => stage.qos.suspended === 2)
    visit.answer()
    for (const path of ['/2', '/slow']) (await stage.visit(path)).answer()
    assert.equal((await second.asking).status, 200)
    assert.deepEqual(stage.order, ['/1', '/2', '/slow'])
  })

  it('that is longer than what is kept unread is read on while it runs', async () => {
    await start()
    const length = 500_000
    const { socket, got } = post(length, `{"a":"${'x'.repeat(300_000)}`)
    await until(() => stage.qos.running === 1)
    assert.equal(stage.qos.arriving, 0)
    socket.write(`${'x'.repeat(length - 300_008)}"}`)
    ;(await stage.visit('/slow')).answer()
    await until(() => got().endsWith('answer to /slow'))
    assert.equal(bodies[0]?.length, length)
  })

  it('is answered 408 where it has not come within the timeout, and the connection closes', async () => {
    await start()
    const { got } = post(10, '{')
    await until(() => stage.qos.arriving === 1)
    stage.clock.advance(99)
    assert.equal(stage.qos.arriving, 1)
    stage.clock.advance(1)
    await until(() => sockets[0]?.readableEnded === true)
    assert.match(got(), /^HTTP\/1.1 408 /)
    assert.match(got(), /\r\nConnection: close\r\n/i)
    assert.ok(got().endsWith('Cannot serve the request: its body has not come within 100 ms'))
    const [error] = stage.errors as BodyTimeoutError[]
    assert.ok(error instanceof BodyTimeoutError)
    assert.deepEqual([error.code, error.status, error.expose, error.timeout], ['ERR_BODY_TIMEOUT', 408, true, 100])
    assert.deepEqual(stage.order, [])
  })

  it('whose client leaves is forgotten at once', async () => {
    await start()
    const { socket } = post(10, '{')
    await until(() => stage.qos.arriving === 1)
    socket.destroy()
    await until(() => stage.qos.arriving === 0)
    // Koa reports a body that breaks off, as without qos()
    assert.deepEqual(stage.order, [])
  })

  it('whose client leaves when it is here, in the line of a limit further out, is not served', async () => {
    const outer = qos({ maxRequests: 1, awaitBody: false })
    stage = await qosScene({}, (app, limit, handler) => {
      app.use(outer)
      app.use((ctx, next) => (ctx.path === '/outside' ? next() : limit(ctx, next)))
      app.use(handler)
    })
    const { socket } = post(2, '')
    await until(() => stage.qos.arriving === 1)
    const { asking, visit } = await stage.enter('/outside')
    socket.write('{}')
    await until(() => outer.suspended === 1)
    socket.destroy()
    await until(() => outer.suspended === 0)
    visit.answer()
    assert.equal((await asking).status, 200)
    assert.deepEqual(stage.order, ['/outside'])
    assert.equal(outer.running, 0)
  })

  it('takes a place up at once with awaitBody: false', async () => {
    await start({ awaitBody: false })
    const { socket, got } = post(2, '{')
    await until(() => stage.qos.running === 1)
    socket.write('}')
    ;(await stage.visit('/slow')).answer()
    await until(() => got().endsWith('answer to /slow'))
  })

  it('that comes with its head runs at once', async () => {
    await start()
    const asking = stage.post('/whole', { a: 1 })
    const { ctx, answer } = await stage.visit('/whole')
    const listeners = ctx.res.listenerCount('close')
    answer()
    assert.equal((await asking).status, 200)
    assert.deepEqual(bodies, ['{"a":1}'])
    // it was not put aside
    const { visit } = await stage.enter('/none')
    assert.equal(visit.ctx.res.listenerCount('close'), listeners)
  })

  for (const [way, begin] of [
    ['flowing', (req: IncomingMessage, take: (chunk: Buffer) => void) => req.on('data', take)],
    [
      'as it becomes readable',
      (req: IncomingMessage, take: (chunk: Buffer) => void) =>
        req.on('readable', () => {
          for (let chunk = req.read(); chunk !== null; chunk = req.read()) take(chunk)
        }),
    ],
  ] as const) {
    it(`that somebody above reads already is left to them: ${way}`, async () => {
      let read = ''
      stage = await qosScene({}, (app, limit, handler) => {
        app.use((ctx, next) => {
          begin(ctx.req, (chunk) => {
            read += chunk
          })
          return next()
        })
        app.use(limit).use(handler)
      })
      const { socket, got } = post(6, 'abc')
      const { answer } = await stage.visit('/slow')
      socket.write('def')
      await until(() => read === 'abcdef')
      answer()
      await until(() => got().endsWith('answer to /slow'))
    })
  }

  it('takes no place up over HTTP/2 either', async () => {
    await start()
    const served = await serveHttp2(stage.app)
    const session = await served.connect()
    const slow = session.request({ ':method': 'POST', ':path': '/slow', 'content-type': 'application/json' })
    slow.resume()
    slow.write('{')
    await until(() => stage.qos.arriving === 1)
    assert.equal(stage.qos.running, 0)
    const get = session.request({ ':path': '/get' })
    get.resume()
    ;(await stage.visit('/get')).answer()
    slow.end('}')
    ;(await stage.visit('/slow')).answer()
    await until(() => slow.destroyed && get.destroyed)
    assert.deepEqual(bodies, [undefined, '{}'])
    await served.close()
  })

  describe('that nobody has read', () => {
    const length = 300_000

    it('keeps no other request of its connection out', async () => {
      stage = await qosScene()
      const { socket, got } = post(length, 'x'.repeat(length))
      socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
      ;(await stage.visit('/slow')).answer()
      ;(await stage.visit('/next')).answer()
      await until(() => got().endsWith('answer to /next'))
    })

    it('and is refused keeps none out either', async () => {
      stage = await qosScene({ maxSuspended: 0 })
      const { asking, visit } = await stage.enter('/runs')
      const { socket, got } = post(length, 'x'.repeat(length))
      await until(() => got().startsWith('HTTP/1.1 503 '))
      visit.answer()
      await asking
      socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
      ;(await stage.visit('/next')).answer()
      await until(() => got().endsWith('answer to /next'))
    })

    for (const [what, status] of [
      ['is answered', 200],
      ['does not come in time', 408],
    ] as const) {
      it(`and ${what} keeps no stream of HTTP/2 open`, async () => {
        stage = await qosScene({ timeout: 100 })
        const served = await serveHttp2(stage.app)
        const session = await served.connect()
        const open = session.request({ ':method': 'POST', ':path': '/slow' }, { endStream: false })
        let answered: number | undefined
        open.on('response', (head) => {
          answered = head[':status']
        })
        open.on('error', () => {})
        open.resume()
        if (status === 200) {
          open.write('x'.repeat(length))
          ;(await stage.visit('/slow')).answer()
        } else {
          open.write('x')
          await until(() => stage.qos.arriving === 1)
          stage.clock.advance(100)
        }
        await until(() => open.destroyed)
        assert.deepEqual([answered, open.rstCode], [status, 0])
        await served.close()
      })
    }
  })
})
