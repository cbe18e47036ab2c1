import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { bodyParser } from '@koa/bodyparser'
import Koa from 'koa'
import koaBodyParser from 'koa-bodyparser'
import { type Qos, qos } from '../../src/flow/qos.js'
import { type Throttle, throttle } from '../../src/flow/throttle.js'
import { continuations } from '../../src/index.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, type Http2Served, serveHttp2 } from '../support/serve-http2.js'

/** What puts the next request aside until the test lets it go on. */
interface Keeper {
  readonly middleware: Koa.Middleware
  readonly waiting: number
  letGo(): void
}

const keepers: Record<string, () => Keeper> = {
  'qos()': () => {
    const limit: Qos = qos({ maxRequests: 1 })
    let leave = (): void => {}
    // the only place is taken
    void limit({ req: { headers: {} } } as Koa.Context, () => new Promise<void>((resolve) => (leave = resolve)))
    return {
      middleware: limit,
      get waiting() {
        return limit.suspended + limit.arriving
      },
      letGo: () => leave(),
    }
  },
  'throttle()': () => {
    const clock = new ManualClock()
    const limit: Throttle = throttle({ rate: 1, burst: 1, clock, clientId: () => 'one', policy: false })
    // the only token is taken
    void limit({} as Koa.Context, async () => {})
    return {
      middleware: limit,
      get waiting() {
        return limit.delayed
      },
      letGo: () => clock.advance(1_000),
    }
  },
}

const text = (length: number): string => 'x'.repeat(length)
const json = (length: number): string => JSON.stringify({ message: text(length) })

/** Below the keeper: answers with the length and the end of what it got. */
const echo: Koa.Middleware = async (ctx) => {
  const parsed = (ctx.request as unknown as { body?: { message?: string } }).body?.message
  const raw = parsed ?? (await buffer(ctx.req)).toString('latin1')
  ctx.body = `${raw.length} ${raw.slice(-12)}`
}
const expected = (raw: string): string => `${raw.length} ${raw.slice(-12)}`

for (const [name, make] of Object.entries(keepers)) {
  describe(`a body whose request waits in ${name}`, () => {
    let keeper: Keeper
    let served: Served | Http2Served
    let sockets: Socket[]
    beforeEach(() => {
      keeper = make()
      sockets = []
    })
    afterEach(async () => {
      for (const socket of sockets) socket.destroy()
      await served.close()
      assert.deepEqual(served.errors, [])
      assert.equal(keeper.waiting, 0)
    })

    const app = (...below: Koa.Middleware[]): Koa => {
      const app = new Koa().use(keeper.middleware)
      for (const middleware of below) app.use(middleware)
      return app.use(echo)
    }
    const waits = (): Promise<void> => until(() => keeper.waiting === 1)

    const parsers: Record<string, () => Koa.Middleware> = {
      'koa-bodyparser': () => koaBodyParser() as unknown as Koa.Middleware,
      '@koa/bodyparser': () => bodyParser() as unknown as Koa.Middleware,
    }
    for (const [parser, below] of Object.entries(parsers)) {
      for (const length of [10, 20_000, 300_000, 900_000]) {
        it(`is whole for ${parser}: ${length} bytes`, async () => {
          const whole = await serve(app(below()))
          served = whole
          const asking = whole.post('/', json(length))
          await waits()
          keeper.letGo()
          const { status, body } = await asking
          assert.deepEqual([status, body], [200, expected(text(length))])
        })
      }
    }

    it('is whole under a boundary too', async () => {
      const whole = await serve(
        new Koa()
          .use(continuations())
          .use(keeper.middleware)
          .use(bodyParser() as unknown as Koa.Middleware)
          .use(echo),
      )
      served = whole
      const asking = whole.post('/', json(300_000))
      await waits()
      keeper.letGo()
      assert.equal((await asking).body, expected(text(300_000)))
    })

    /** A client that writes what it is told, and what it got. */
    const raw = (port: number): { socket: Socket; got: () => string } => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      let received = ''
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        received += chunk
      })
      return { socket, got: () => received }
    }
    const answered = (got: () => string, body: string): Promise<void> =>
      until(() => got().includes('HTTP/1.1 200') && got().endsWith(`\r\n\r\n${body}`))

    for (const length of [10, 300_000]) {
      it(`is whole where it comes in chunks, some of them later: ${length} bytes and as many`, async () => {
        const whole = await serve(app())
        served = whole
        const { socket, got } = raw(whole.port)
        const chunk = `${length.toString(16)}\r\n${text(length)}\r\n`
        socket.write(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`)
        await waits()
        socket.write(chunk)
        keeper.letGo()
        socket.write('0\r\n\r\n')
        await answered(got, expected(text(2 * length)))
      })

      it(`is whole where the client waits for a 100: ${length} bytes`, async () => {
        const whole = await serve(app())
        served = whole
        const { socket, got } = raw(whole.port)
        socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`)
        await waits()
        await until(() => got().startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
        socket.write(text(length))
        keeper.letGo()
        await answered(got, expected(text(length)))
      })

      it(`is whole over HTTP/2: ${length} bytes`, async () => {
        const whole = await serveHttp2(app(bodyParser() as unknown as Koa.Middleware))
        served = whole
        const session = await whole.connect()
        const headers = { ':method': 'POST', ':path': '/', 'content-type': 'application/json' }
        const asking = askHttp2(session, headers, json(length))
        await waits()
        keeper.letGo()
        assert.equal((await asking).body, expected(text(length)))
      })
    }

    it('is whole that has several parts', async () => {
      const whole = await serve(app())
      served = whole
      const file = text(200_000)
      const parts = ['--cut', 'Content-Disposition: form-data; name="file"; filename="a.txt"', '', file, '--cut--', '']
      const body = parts.join('\r\n')
      const asking = whole.ask('POST', '/', { headers: { 'content-type': 'multipart/form-data; boundary=cut' }, body })
      await waits()
      keeper.letGo()
      assert.equal((await asking).body, expected(body))
    })

    it('is left to the next request of the connection by nobody', async () => {
      const whole = await serve(app())
      served = whole
      const { socket, got } = raw(whole.port)
      const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`
      socket.write(`${post}first`)
      await waits()
      keeper.letGo()
      await answered(got, '5 first')
    })

    it('that is short and unread does not hide that the client leaves', async () => {
      const whole = await serve(app())
      served = whole
      const asking = whole.post('/', { message: 'short' })
      await waits()
      asking.request.destroy()
      await until(() => keeper.waiting === 0)
      keeper.letGo()
    })
  })
}
