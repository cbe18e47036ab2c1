import assert from 'node:assert/strict'
import { type EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import Koa from 'koa'
import { addressOf, closeAfter, onceLeft } from '../../src/koa/connection.js'
import { turn, until } from '../support/gate.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

describe('onceLeft()', () => {
  for (const method of ['GET', 'HEAD']) {
    it(`${method} over HTTP/2: tells once of a client that leaves, and leaves nothing behind where it is stopped`, async () => {
      const told: string[] = []
      const listeners: number[] = []
      const app = new Koa()
      app.use((ctx) => {
        ctx.respond = false
        const { res } = ctx
        const { stream } = res as unknown as { stream: EventEmitter }
        const count = () => listeners.push(stream.listenerCount('close') + res.listenerCount('close'))
        count()
        const stop = onceLeft(ctx, () => told.push('stopped'))
        onceLeft(ctx, () => told.push('left'))
        count()
        stop()
        count()
      })
      const served = await serveHttp2(app)
      try {
        const asking = askHttp2(await served.connect(), { ':path': '/', ':method': method })
        await until(() => listeners.length === 3)
        const [before = 0] = listeners
        assert.deepEqual(listeners, [before, before + 2, before + 1])
        asking.stream.close(constants.NGHTTP2_CANCEL)
        await until(() => told.length > 0)
        await turn()
        assert.deepEqual(told, ['left'])
      } finally {
        await served.close()
      }
    })
  }
})

describe('a request whose body was begun and left', () => {
  let asked: Koa.Context[]
  let server: ReturnType<typeof createServer>
  let client: Socket
  beforeEach(async () => {
    asked = []
    const app = new Koa({ proxy: true })
    server = createServer(async (req: IncomingMessage, res: ServerResponse) => {
      for await (const _ of req) break
      assert.equal(req.socket === null, req.method === 'POST')
      asked.push(app.createContext(req, res) as Koa.Context)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  })
  afterEach(async () => {
    client.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const post = (headers = '') => `POST / HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: 1\r\n\r\nx`

  /** What is asked on one connection. */
  async function ask(...requests: string[]): Promise<Koa.Context[]> {
    client.write(requests.join(''))
    await until(() => asked.length === requests.length)
    return asked
  }

  it('comes from where it came from', async () => {
    const [direct, proxied] = await ask(post(), post('X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\n'))
    assert.deepEqual(
      [direct, proxied].map((ctx) => addressOf(ctx as Koa.Context)),
      ['127.0.0.1', '192.0.2.7'],
    )
  })

  it('in line behind another one, it is heard of when the client leaves, unless that is stopped', async () => {
    const [, second, third] = (await ask(get, post(), post())) as [Koa.Context, Koa.Context, Koa.Context]
    const heard: string[] = []
    onceLeft(second, () => heard.push('second'))
    onceLeft(third, () => heard.push('third'))()
    client.destroy()
    await until(() => heard.length > 0)
    assert.deepEqual(heard, ['second'])
  })

  it('whose answer has begun: the connection ends with that', async () => {
    const [{ res }] = (await ask(post())) as [Koa.Context]
    let received = ''
    client.on('data', (chunk: Buffer) => {
      received += chunk.toString()
    })
    const closed = once(client, 'close')
    res.write('begun, ')
    closeAfter(res)
    res.end('ended')
    await closed
    assert.match(received, /begun, .*ended\r\n0\r\n\r\n$/s)
  })

  it('behind which another one is in line: the connection goes on until that is answered', async () => {
    const [first, second] = (await ask(post(), get)) as [Koa.Context, Koa.Context]
    let received = ''
    client.on('data', (chunk: Buffer) => {
      received += chunk.toString()
    })
    const closed = once(client, 'close')
    closeAfter(first.res)
    first.res.end('one')
    closeAfter(second.res)
    second.res.end('two')
    await closed
    assert.deepEqual(received.match(/(?<=Connection: )[a-z-]+|one|two/g), ['keep-alive', 'one', 'close', 'two'])
  })
})
