import assert from 'node:assert/strict'
import { Agent, createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import Koa from 'koa'
import { ContinuationManager, continuations, PlainHold } from '../../src/index.js'
import { Backpressure } from '../../src/koa/backpressure.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

/** What it takes before anybody is put off. */
const many = 256
const rush = 32
/** At which they are let in again. */
const few = 16

describe('backpressure', () => {
  let clock: ManualClock
  let decided: number
  let left: number
  let backpressure: Backpressure
  let server: ReturnType<typeof createServer>
  let arrived: ServerResponse[]
  let clients: Socket[]

  beforeEach(async () => {
    clock = new ManualClock()
    decided = 1_000
    left = many
    backpressure = new Backpressure({ clock, decided: () => decided, left: () => left, few })
    arrived = []
    clients = []
    server = createServer((req, res) => {
      if (req.url === '/plain') res.end('plain')
      else arrived.push(res)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    for (const client of clients) client.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  function ask(client: Socket, headers = ''): void {
    client.write(`GET / HTTP/1.1\r\nHost: here\r\n${headers}\r\n`)
  }

  /** So many whose request has arrived. */
  async function asking(count: number, headers?: string): Promise<ServerResponse[]> {
    const { port } = server.address() as AddressInfo
    const before = arrived.length
    for (let n = 0; n < count; n++) {
      // one after the other, so that the same place is the same one
      const client = connect(port, '127.0.0.1')
      client.on('error', () => {})
      clients.push(client)
      ask(client, headers)
      await until(() => arrived.length === before + n + 1)
    }
    return arrived.slice(before)
  }

  /** Whatever was sent before is read, if anybody reads it. */
  async function settled(): Promise<void> {
    const { port } = server.address() as AddressInfo
    for (let times = 0; times < 2; times++) {
      const response = await fetch(`http://127.0.0.1:${port}/plain`)
      await response.text()
    }
  }

  function rushed(): void {
    for (let n = 0; n < rush; n++) backpressure.asked()
  }

  /** All of its answer is sent, and the response has ended. */
  async function answer(res: ServerResponse): Promise<boolean> {
    res.end('answer')
    await new Promise((resolve) => res.once('close', resolve))
    return backpressure.answered(res)
  }

  it('puts nobody off until enough have asked again, while enough are left', async () => {
    const [one, two, three, four] = (await asking(4)) as [
      ServerResponse,
      ServerResponse,
      ServerResponse,
      ServerResponse,
    ]
    for (let n = 1; n < rush; n++) backpressure.asked()
    assert.equal(await answer(one), false)
    left = many - 1
    backpressure.asked()
    left = many
    backpressure.asked()
    assert.equal(await answer(two), false, 'it began anew')
    rushed()
    left = many - 1
    assert.equal(await answer(three), false)
    left = many
    assert.equal(await answer(four), true)
    left = 0
    await backpressure.letAllIn()
  })

  it('puts off one whose request Node has taken the socket from, as where its body was begun and left', async () => {
    const [res] = (await asking(1)) as [ServerResponse]
    const { socket } = res.req
    rushed()
    Object.assign(res.req, { socket: null })
    assert.equal(await answer(res), true)
    assert.equal(socket.isPaused(), true)
    left = 0
    await backpressure.letAllIn()
    assert.equal(socket.isPaused(), false)
  })

  it('what has begun goes on until few are left', async () => {
    const responses = await asking(3)
    const [one, two, three] = responses as [ServerResponse, ServerResponse, ServerResponse]
    rushed()
    assert.equal(await answer(one), true)
    left = few + 1
    backpressure.asked()
    assert.equal(await answer(two), true)
    left = few
    assert.equal(await answer(three), false)
    await until(() => !one.req.socket.isPaused() && !two.req.socket.isPaused())
    left = many
    await turn()
    assert.equal(await answer((await asking(1))[0] as ServerResponse), false, 'it is over')
  })

  it('reads what they ask when few are left, those first who were put off first', async () => {
    const responses = await asking(40)
    rushed()
    for (const res of responses) assert.equal(await answer(res), true)
    for (const client of clients) ask(client)
    await settled()
    assert.equal(arrived.length, 40, 'nothing of it is read')

    left = few + 1
    await settled()
    assert.equal(arrived.length, 40, 'as long as some are left')
    left = few
    await until(() => arrived.length === 80)
    assert.deepEqual(
      arrived.slice(40).map((res) => res.req.socket),
      responses.map((res) => res.req.socket),
    )
  })

  it('lets each in when all that were decided before are answered, whoever else was decided since', async () => {
    const [one, two] = (await asking(2)) as [ServerResponse, ServerResponse]
    rushed()
    assert.equal(await answer(one), true)
    decided += 500
    left += 500
    assert.equal(await answer(two), true)
    for (const client of clients) ask(client)
    left = 500 + few + 1
    await settled()
    assert.equal(arrived.length, 2)
    left = 500 + few
    await until(() => arrived.length === 3)
    assert.equal(arrived[2]?.req.socket, one.req.socket)
    await settled()
    assert.equal(arrived.length, 3)
    left = few
    await until(() => arrived.length === 4)
  })

  it('ends a response that is still open when it lets the client in', async () => {
    const [res] = (await asking(1)) as [ServerResponse]
    rushed()
    res.write('answer')
    assert.equal(backpressure.answered(res), true)
    await settled()
    assert.equal(res.writableEnded, false)
    left = 0
    await until(() => res.writableFinished)
    ask(clients[0] as Socket)
    await until(() => arrived.length === 2)
  })

  it('puts nobody off for longer than a second, however many are left', async () => {
    const [one, two, three] = (await asking(3)) as [ServerResponse, ServerResponse, ServerResponse]
    rushed()
    assert.equal(await answer(one), true)
    clock.advance(999)
    assert.equal(await answer(two), true)
    for (const client of clients.slice(0, 2)) ask(client)
    await settled()
    assert.equal(arrived.length, 3)
    clock.advance(1)
    assert.equal(await answer(three), false)
    await until(() => arrived.length === 5)
  })

  it('lets in some in each turn', async () => {
    const responses = await asking(150)
    rushed()
    for (const res of responses) await answer(res)
    const portions: number[] = []
    let before = 150
    left = 0
    while (before > 0) {
      await turn()
      const now = responses.filter(({ req }) => req.socket.isPaused()).length
      if (now < before) portions.push(before - now)
      before = now
    }
    assert.deepEqual(portions, [64, 64, 22])
  })

  it('does not mind those who leave meanwhile', async () => {
    const [one, two] = (await asking(2)) as [ServerResponse, ServerResponse]
    rushed()
    one.write('answer')
    assert.deepEqual([backpressure.answered(one), await answer(two)], [true, true])
    for (const client of clients) client.destroy()
    one.destroy()
    left = 0
    await backpressure.letAllIn()
    await until(() => two.req.socket.destroyed)
  })

  it('lets all in at once when it is told to, and has read them then', async () => {
    const responses = await asking(80)
    await backpressure.letAllIn()
    rushed()
    for (const res of responses) assert.equal(await answer(res), true)
    for (const client of clients) ask(client)
    await settled()
    assert.equal(arrived.length, 80)
    await backpressure.letAllIn()
    assert.equal(arrived.length, 160)

    assert.equal(await answer(arrived[80] as ServerResponse), false, 'it begins anew')
    rushed()
    assert.equal(await answer(arrived[81] as ServerResponse), true, 'as before')
    await backpressure.letAllIn()
  })

  it('leaves a connection alone that ends with the answer, or soon', async () => {
    const [closing] = (await asking(1, 'Connection: close\r\n')) as [ServerResponse]
    const [brief, long] = (await asking(2)) as [ServerResponse, ServerResponse]
    rushed()
    assert.equal(await answer(closing), false)
    const [ended] = (await asking(1)) as [ServerResponse]
    ended.write('answer')
    ended.req.socket.end()
    assert.equal(backpressure.answered(ended), false)
    server.keepAliveTimeout = 3_999
    assert.equal(await answer(brief), false)
    server.keepAliveTimeout = 0
    assert.equal(await answer(long), true)
    await backpressure.letAllIn()
  })

  it('leaves a connection alone that somebody else has paused', async () => {
    const [res] = (await asking(1)) as [ServerResponse]
    rushed()
    res.req.socket.pause()
    assert.equal(await answer(res), false)
    assert.equal(res.req.socket.isPaused(), true)
    res.req.socket.resume()
  })
})

describe('all ask again at once', () => {
  const count = 400
  let served: Served
  let agent: Agent

  beforeEach(() => {
    agent = new Agent({ keepAlive: true })
  })
  afterEach(async () => {
    agent.destroy()
    await served.close()
  })

  /** Each asks as long as it is told to, and says what it got. */
  function crowd(times: number, path: string): Promise<string[][]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const got: string[] = []
        while (got.length < times) got.push((await served.ask('GET', path, { agent })).body)
        return got
      }),
    )
  }

  /** How many of the second round have come before nearly all of the first had their answers. */
  class Early {
    count = 0
    readonly #first: Socket[] = []

    asks({ req: { socket } }: Koa.Context): void {
      if (this.#first.length < count) this.#first.push(socket)
      else if (this.#first.filter(({ bytesWritten }) => bytesWritten === 0).length > many) this.count++
    }
  }

  const expected = Array.from({ length: count }, () => ['1', '2'])

  const ofAHold = (compact?: boolean) => async () => {
    const clients = new PlainHold({ budget: 0, compact })
    const app = new Koa()
    const early = new Early()
    app.use((ctx) => {
      early.asks(ctx)
      clients.hold(ctx)
    })
    served = await serve(app)
    const crowding = crowd(2, '/')
    await until(() => clients.size === count)
    for (const message of ['1', '2']) {
      assert.equal(clients.broadcast({ body: message }), count)
      if (message === '1') await until(() => clients.size === count)
    }
    assert.deepEqual(await crowding, expected)
    assert.equal(clients.size, 0)
    assert.ok(early.count < 80, `${early.count} asked again before nearly all were answered`)
  }
  it('of a PlainHold: each has every answer once', ofAHold())
  it('of a PlainHold that is not compact: the same', ofAHold(false))
  it('of a PlainHold that is compact: the same', ofAHold(true))

  it('of a manager: the same', async () => {
    const boundary = continuations({ budget: 0 })
    const clients = new ContinuationManager()
    const app = new Koa()
    app.use(boundary)
    const early = new Early()
    app.use((ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        early.asks(ctx)
        continuation.suspend()
        clients.stash(continuation)
      } else ctx.body = continuation.getAttribute('message')
    })
    served = await serve(app)
    const crowding = crowd(2, '/')
    await until(() => boundary.size === count)
    for (const message of ['1', '2']) {
      assert.equal(clients.broadcast({ message }), count)
      if (message === '1') await until(() => boundary.size === count && clients.size === count)
    }
    assert.deepEqual(await crowding, expected)
    assert.ok(early.count < 80, `${early.count} asked again before nearly all were answered`)
  })

  for (const way of ['continuations()', 'PlainHold']) {
    it(`a drain of ${way} answers those who were put off, too`, async () => {
      const clock = new ManualClock()
      const boundary = continuations({ budget: 0, clock })
      const manager = new ContinuationManager()
      const hold = new PlainHold({ budget: 0, clock })
      const plain = way === 'PlainHold'
      const app = new Koa()
      let again = 0
      const size = (): number => (plain ? hold.size : manager.size)
      app.use(boundary)
      app.use((ctx) => {
        if (ctx.query['again'] !== undefined && (plain || ctx.continuation.isInitial())) again++
        if (plain) hold.hold(ctx)
        else if (ctx.continuation.isInitial()) {
          ctx.continuation.suspend()
          manager.stash(ctx.continuation)
        } else ctx.body = 'news'
      })
      served = await serve(app)
      const sockets: Socket[] = []
      served.server.on('connection', (socket: Socket) => sockets.push(socket))
      const isPutOff = (): boolean => sockets.some((socket) => !socket.destroyed && socket.isPaused())
      const statuses = Promise.all(
        Array.from({ length: count }, async () => {
          const first = await served.ask('GET', '/', { agent })
          const second = await served.ask('GET', '/?again', { agent })
          return [first.status, second.status]
        }),
      )
      await until(() => size() === count)
      if (plain) hold.broadcast({ body: 'news' })
      else manager.broadcast({})
      await until(isPutOff)
      let wasPutOff: boolean | undefined
      const drained = (plain ? hold : boundary).drain({ rate: Number.POSITIVE_INFINITY }).then(() => {
        wasPutOff = isPutOff()
      })
      await until(() => {
        clock.advance(1)
        return again === count
      })
      await drained
      assert.equal(wasPutOff, false)
      const all = await statuses
      assert.deepEqual(new Set(all.map(([first]) => first)), new Set([200]))
      for (const [, second] of all) assert.ok([200, 204, 503].includes(second as number), `it was answered ${second}`)
    })
  }
})

describe('all ask again at once over one HTTP/2 connection', () => {
  it('nobody is put off, for that would stop all of them, and each has every answer once', async () => {
    const clients = new PlainHold({ budget: 0 })
    const app = new Koa()
    app.use((ctx) => {
      clients.hold(ctx)
    })
    const served = await serveHttp2(app)
    const sockets: Socket[] = []
    served.server.on('secureConnection', (socket: Socket) => sockets.push(socket))
    try {
      const session = await served.connect()
      const count = 1_200
      const crowding = Promise.all(
        Array.from({ length: count }, async () => {
          const first = await askHttp2(session, { ':path': '/' })
          const second = await askHttp2(session, { ':path': '/' })
          return [first.body, second.body]
        }),
      )
      for (const message of ['1', '2']) {
        await until(() => clients.size === count)
        clients.broadcast({ body: message })
      }
      assert.deepEqual(
        await crowding,
        Array.from({ length: count }, () => ['1', '2']),
      )
      assert.deepEqual(
        sockets.map((socket) => socket.isPaused()),
        [false],
      )
      assert.deepEqual(served.errors, [])
    } finally {
      await served.close()
    }
  })
})
