import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import Koa from 'koa'
import { Channel, continuations } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

/** What the backlog keeps, and what is read of a body then. The rest is more than what Node keeps of one that nobody reads. */
const bytes = 50_000
const most = 6 * bytes + 4_096
const rest = 200_000

describe('a body that is longer than any message', () => {
  let served: Served
  let heard: string[]
  /** A connection to it, on its side and on the other, and what has come there. */
  let server: Socket
  let client: Socket
  let received: string

  async function open(above: (app: Koa) => void = () => {}): Promise<void> {
    heard = []
    received = ''
    const app = new Koa()
    above(app)
    app.use(new Channel('news', { backlog: { bytes } }).publisher())
    served = await serve(app)
    const connected = once(served.server, 'connection')
    client = connect(served.port, '127.0.0.1')
    client.on('error', () => {})
    client.on('data', (chunk: Buffer) => {
      received += chunk.toString()
    })
    server = (await connected)[0] as Socket
  }
  afterEach(async () => {
    client.destroy()
    await served.close()
  })

  const begin = (length: number) =>
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`)
  const answered = (status: number) => until(() => received.includes(`HTTP/1.1 ${status} `))

  it('leaves what stands above whose request it was', async () => {
    await open((app) => {
      app.use(async (ctx, next) => {
        await next()
        heard.push(`${ctx.ip} ${ctx.status}`)
      })
    })
    begin(most + 1)
    client.write('x'.repeat(most + 1))
    await answered(413)
    assert.deepEqual([heard, served.errors], [['127.0.0.1 413'], []])
  })

  it('413 also where somebody has looked at its continuation', async () => {
    await open((app) => {
      app.use(continuations())
      app.use((ctx, next) => {
        heard.push(ctx.continuation.phase)
        return next()
      })
    })
    const { status, body } = await served.post('/', 'x'.repeat(most + 1))
    assert.deepEqual([status, JSON.parse(body).error.code], [413, 'ERR_MESSAGE_TOO_LARGE'])
    assert.deepEqual([heard, served.errors], [['dispatched'], []])
  })

  it('a client that leaves before its answer is sent is heard of', async () => {
    const [below, left] = [gate(), gate()]
    await open((app) => {
      app.use(async (_, next) => {
        await next()
        below.open()
        await left
      })
      app.use(continuations())
      app.use((ctx, next) => {
        ctx.continuation.addContinuationListener({
          onDisconnect: () => left.open(),
          onComplete: () => heard.push('onComplete'),
        })
        return next()
      })
    })
    begin(most + 1)
    client.write('x'.repeat(most + 1))
    await below
    client.destroy()
    await until(() => heard.length === 1)
    await left
  })

  it('the rest is thrown away, and the connection takes another request', async () => {
    await open()
    begin(most + 1 + rest)
    client.write('x'.repeat(most + 1))
    await answered(413)
    client.write('x'.repeat(rest))
    begin(10)
    client.write('{"data":1}')
    await answered(202)
    assert.equal(server.destroyed, false)
  })

  it('what does not end is not read for ever', async () => {
    await open()
    begin(1_000_000_000)
    client.write('x'.repeat(most + 1))
    await answered(413)
    assert.equal(server.isPaused(), false)
    client.write(Buffer.alloc(8_000_000, 'x'))
    await until(() => server.isPaused())
    assert.ok(server.bytesRead < 2_000_000, `${server.bytesRead} bytes were read`)
  })
})

describe('a handler of a channel that is handed over without being called', () => {
  for (const name of ['publisher', 'subscriber'] as const) {
    it(`${name}: is an error, and takes no message`, async () => {
      const app = new Koa()
      app.use(new Channel('news')[name] as Koa.Middleware)
      const served = await serve(app)
      const { status } = await served.post('/', { data: 'hello' })
      await served.close()
      assert.equal(status, 500)
      assert.ok(served.errors[0] instanceof TypeError)
    })
  }
})
