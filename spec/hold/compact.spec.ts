import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { duplexPair, finished } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import Koa from 'koa'
import onFinished from 'on-finished'
import { type PlainAnswer, PlainHold, type PlainHoldOptions } from '../../src/index.js'
import { selfSigned } from '../support/certificate.js'
import { gate, turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { withTaken } from '../support/taken.js'

describe('a PlainHold that is compact', () => {
  const servers: Server[] = []
  const sockets: Socket[] = []
  let clock: ManualClock
  let clients: PlainHold
  let held: Koa.Context[]
  let errors: Error[]

  function make(options: PlainHoldOptions, above: Koa.Middleware): Koa {
    clock = new ManualClock()
    clients = new PlainHold({ compact: true, clock, ...options })
    held = []
    errors = []
    const app = new Koa()
    app.on('error', (error) => errors.push(error))
    app.use(above)
    app.use((ctx) => {
      if (ctx.path === '/plain') {
        ctx.body = 'plain'
        return
      }
      held.push(ctx)
      clients.hold(ctx, ctx.path)
    })
    return app
  }
  async function open({
    options = {},
    above = (_ctx, next) => next(),
    server = createServer(),
  }: {
    options?: PlainHoldOptions
    above?: Koa.Middleware
    server?: Server
  } = {}): Promise<Server> {
    server.on('request', make(options, above).callback())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
    return server
  }
  const portOf = (server: Server) => (server.address() as AddressInfo).port

  /** A client, and all that it has got. */
  function ask(server: Server, ...requests: string[]): { socket: Socket; got: () => string; closed: () => boolean } {
    const socket = connect({ port: portOf(server), host: '127.0.0.1' })
    sockets.push(socket)
    let got = ''
    socket.setEncoding('latin1').on('data', (more) => {
      got += more
    })
    for (const request of requests) socket.write(request)
    return { socket, got: () => got, closed: () => socket.closed }
  }
  const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
  const isLetGo = ({ res }: Koa.Context) => res.closed && !res.headersSent

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  })

  it('lets go of the request and its response once what stands above has seen that it is held', async () => {
    const above: boolean[] = []
    const server = await open({
      above: async (ctx, next) => {
        await next()
        for (let job = 0; job < 10; job++) await null
        above.push(ctx.res.socket === null)
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1)
    const [ctx] = held as [Koa.Context]
    await until(() => isLetGo(ctx) && ctx.req.closed)
    assert.deepEqual([above, clients.size, ctx.res.socket], [[false], 1, null])
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('\r\n\r\nx'))
  })

  it('of nothing that is answered, or whose client leaves, in the same turn', async () => {
    const finished: string[] = []
    const server = await open({
      above: async (ctx, next) => {
        ctx.res.on('finish', () => finished.push(ctx.path))
        await next()
        if (ctx.path === '/left') ctx.req.socket.destroy()
        else ctx.res.write('mine')
      },
    })
    const [left, written] = [ask(server, get('/left')), ask(server, get('/written'))]
    await until(() => left.closed() && written.got().includes('mine'))
    await turn()
    await turn()
    clients.broadcast({ body: 'x' })
    await turn()
    assert.deepEqual([finished, clients.size, written.closed()], [[], 0, false])
  })

  it('reads nothing away from who reads the body a little later', async () => {
    let read: string | undefined
    const server = await open({
      above: async (ctx, next) => {
        await until(() => ctx.req.complete)
        await next()
        await turn()
        read = await text(ctx.req)
      },
    })
    const asking = ask(server, 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour')
    await until(() => read !== undefined)
    assert.equal(read, 'four')
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('x'))
  })

  describe('answers as Node does, byte by byte', () => {
    /** Date says the second. */
    const dateless = (answer: string) =>
      answer.replace(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, '\r\nDate:')

    for (const [
      what,
      { requests = [get('/a')], answer = { body: 'text' }, above, keepAliveTimeout, closes = false },
    ] of Object.entries<{
      requests?: string[]
      answer?: PlainAnswer
      above?: (ctx: Koa.Context) => void
      keepAliveTimeout?: number
      closes?: boolean
    }>({
      'a text': {},
      'a text beyond ASCII': { answer: { body: 'grün 😀' } },
      'no text': { answer: { body: '' } },
      bytes: { answer: { body: Buffer.from([0, 128, 255]) } },
      JSON: { answer: { body: { n: [1, null] } } },
      'no body': { answer: {} },
      'another status': { answer: { status: 404, body: 'gone' } },
      'a status without a name': { answer: { status: 599, body: 'odd' } },
      'another status, and no body': { answer: { status: 404 } },
      'no body of the type that was set above': { above: (ctx) => ctx.set('Content-Type', 'text/x'), answer: {} },
      'a type of its own, and no body': { answer: { status: 200, headers: { 'Content-Type': 'text/x' } } },
      'a status set above': { above: (ctx) => Object.assign(ctx, { status: 202 }) },
      'not modified': { answer: { status: 304, headers: { ETag: '"1"' } } },
      'headers of its own': { answer: { body: 'x', headers: { 'X-Own': 'a', 'content-type': 'text/x' } } },
      'a date of its own': { answer: { body: 'x', headers: { date: 'Thu, 01 Jan 1970 00:00:00 GMT' } } },
      'headers set above': {
        above: (ctx) => ctx.set({ 'X-Above': 'here', 'X-Many': ['1', '2'], 'Set-Cookie': ['a=1', 'b=2'] }),
      },
      'headers set above, and others instead': {
        above: (ctx) => ctx.set({ 'X-Above': 'here', 'Set-Cookie': ['a=1', 'b=2'], Vary: 'Origin' }),
        answer: { body: 'x', headers: { 'set-cookie': 'c=3', 'X-ABOVE': 'there' } },
      },
      'a number set above': { above: ({ res }) => void res.setHeader('X-Number', 5) },
      HEAD: { requests: ['HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n'] },
      'a body that was sent': { requests: ['POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour'] },
      'a connection that is to close': {
        requests: [get('/a', 'Connection: close\r\n')],
        closes: true,
        keepAliveTimeout: 0,
      },
      'connections kept for ever': { keepAliveTimeout: 0 },
      'connections kept for a while': { keepAliveTimeout: 7_500 },
    })) {
      it(what, async () => {
        const answers: string[] = []
        for (const compact of [false, true]) {
          const server = await open({
            options: { compact },
            above: async (ctx, next) => {
              above?.(ctx)
              await next()
            },
          })
          if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout
          const asking = ask(server, ...requests)
          await until(() => clients.size === 1)
          if (compact && !what.startsWith('a body')) await until(() => isLetGo(held[0] as Koa.Context))
          clients.broadcast(answer)
          // whatever comes after it shows where it ends
          if (closes) await until(asking.closed)
          else {
            asking.socket.write(get('/plain'))
            await until(() => asking.got().endsWith('plain'))
          }
          answers.push(dateless(asking.got()))
        }
        assert.equal(sorted(answers[1] as string), sorted(answers[0] as string))
        assert.match(answers[1] as string, /^HTTP\/1\.1 \d{3} /)
      })
    }

    /** A head whose lines stand in any order. */
    function sorted(answer: string): string {
      const [head = '', ...rest] = answer.split('\r\n\r\n')
      return [head.split('\r\n').sort().join('\n'), ...rest].join('\r\n\r\n')
    }
  })

  for (const somebody of [false, true]) {
    it(`a request that ${somebody ? 'somebody' : 'nobody'} listens to ends as it should`, async () => {
      const heard: string[] = []
      const server = await open({
        above: async (ctx, next) => {
          if (somebody) for (const name of ['end', 'close', 'aborted']) ctx.req.on(name, () => heard.push(name))
          ctx.res.on('finish', () => heard.push(`finish ${ctx.req.closed}`))
          await next()
        },
      })
      const asking = ask(server, get('/a'))
      await until(() => held.length === 1 && (held[0] as Koa.Context).req.closed)
      const { req } = held[0] as Koa.Context
      assert.deepEqual(heard, somebody ? ['finish false', 'end', 'close'] : ['finish true'])
      assert.deepEqual(
        [req.readableEnded, req.readable, req.destroyed, req.readableAborted, req.errored],
        [true, false, true, false, null],
      )
      if (!somebody) assert.equal(req.readableFlowing, null)
      assert.equal(await Promise.race([text(req), turn().then(() => 'nothing')]), '')
      clients.broadcast({ body: 'one' })
      await until(() => asking.got().endsWith('one'))
      asking.socket.write(get('/plain'))
      await until(() => asking.got().endsWith('plain'))
    })
  }

  it('what is held once more on a connection is answered with nothing of what was held before', async () => {
    const server = await open({
      above: (ctx, next) => {
        ctx.set(`X-${ctx.path.slice(1)}`, 'yes')
        return next()
      },
    })
    const asking = ask(server)
    const answers: string[] = []
    for (const [request, end] of [
      [get('/a'), '\n\r\none'],
      [get('/b').replace('GET', 'HEAD'), '\r\n\r\n'],
      [get('/c'), '\n\r\none'],
      [get('/d', 'Connection: close\r\n'), '\n\r\none'],
    ] as const) {
      const before = asking.got().length
      asking.socket.write(request)
      await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
      clients.broadcast({ body: 'one' })
      await until(() => asking.got().length > before && asking.got().endsWith(end))
      answers.push(asking.got().slice(before))
    }
    await until(asking.closed)
    const set = answers.map((answer) => [...answer.matchAll(/X-\w/g)].map(String))
    assert.deepEqual(set, [['X-a'], ['X-b'], ['X-c'], ['X-d']])
    const closes = answers.map((answer) => answer.includes('Connection: close'))
    assert.deepEqual(closes, [false, false, false, true])
  })

  it('what is held once more on a connection, by another hold, is counted, kept and left as its own', async () => {
    const options = { compact: true, limits: { perKey: 1 } }
    const server = await open({
      options: { ...options, timeout: 60_000 },
      above: (ctx, next) => (ctx.path === '/other' ? void others.hold(ctx, ctx.query.key) : next()),
    })
    const others = new PlainHold({ ...options, clock, timeout: 5_000 })
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1)
    clients.broadcast({ body: 'one' })
    await until(() => asking.got().endsWith('one'))
    asking.socket.write(get('/other?key=b'))
    await until(() => others.size === 1)
    await turn()
    assert.deepEqual([...others.keys()], ['b'])
    clock.advance(4_999)
    assert.deepEqual([others.size, clients.size], [1, 0])
    clock.advance(1)
    await until(() => asking.got().includes('HTTP/1.1 204'))
    asking.socket.write(get('/other?key=b'))
    await until(() => others.size === 1)
    await turn()
    asking.socket.destroy()
    await until(() => others.size === 0)
    assert.deepEqual([...others.keys()], [])
    // the limit has room again
    ask(server, get('/other?key=b'))
    await until(() => others.size === 1)
  })

  it('who leaves is forgotten where the app itself has ended the response before', async () => {
    let own: Koa.Context | undefined
    const server = await open({
      above: (ctx, next) => {
        if (ctx.path === '/own') {
          own = ctx
          ctx.res.write = ctx.res.write.bind(ctx.res)
        }
        return next()
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1)
    clients.broadcast({ body: 'one' })
    await until(() => asking.got().endsWith('one'))
    asking.socket.write(get('/own'))
    await until(() => clients.size === 1)
    await turn()
    own?.res.end('own')
    await until(() => asking.got().endsWith('own') && clients.size === 0)
    asking.socket.write(get('/b'))
    await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
    asking.socket.destroy()
    await until(() => clients.size === 0)
  })

  it('what is held once more on a connection is made of nothing new, and never of what still waits', () =>
    withTaken(async (taken) => {
      const server = await open()
      const asking = ask(server, get('/a'))
      await until(() => held.length === 1 && isLetGo(held[0] as Koa.Context))
      clients.broadcast({ body: 'one' })
      await until(() => asking.got().endsWith('one'))
      asking.socket.write(get('/b'))
      await until(() => held.length === 2 && isLetGo(held[1] as Koa.Context))
      // behind the one that waits
      asking.socket.write(get('/c'))
      await until(() => held.length === 3)
      clients.answer('/b', { body: 'two' })
      clients.answer('/c', { body: 'three' })
      await until(() => asking.got().endsWith('two'))
      await until(asking.closed)
      assert.equal(taken.length, 3)
      assert.equal(taken[1], taken[0])
      assert.notEqual(taken[2], taken[0])
    }))

  it('the date is that of the answer, and one for all within a second', async () => {
    const server = await open({ options: { expired: { status: 200, body: 'home' }, timeout: 10 } })
    const dates: string[] = []
    for (let times = 0; times < 2; times++) {
      const { now } = Date
      try {
        // where the same bytes may be sent again, a minute has passed
        Date.now = () => Date.UTC(2020, 0, 1, 0, times)
        const asking = ask(server, get('/a'))
        await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
        clients.broadcast({ body: 'x' })
        await until(() => asking.got().endsWith('x'))
        dates.push(/Date: (.*)\r/.exec(asking.got())?.[1] ?? '')
      } finally {
        Date.now = now
      }
    }
    assert.deepEqual(dates, ['Wed, 01 Jan 2020 00:00:00 GMT', 'Wed, 01 Jan 2020 00:01:00 GMT'])
  })

  it('a connection asks again and again', async () => {
    const server = await open()
    const asking = ask(server)
    for (const body of ['one', 'two', 'three']) {
      asking.socket.write(get('/a'))
      await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
      clients.broadcast({ body })
      await until(() => asking.got().endsWith(body))
    }
    assert.equal(asking.got().match(/HTTP/g)?.length, 3)
  })

  it('is not idle: neither the time for which a connection is kept ends it, nor a server that closes', async () => {
    const server = await open({ above: (_ctx, next) => next() })
    server.keepAliveTimeout = 7_000
    const [asking, idle] = [ask(server, get('/a')), ask(server, get('/plain'))]
    await until(() => clients.size === 1 && idle.got().endsWith('plain'))
    const [ctx] = held as [Koa.Context]
    const { socket } = ctx.req
    assert.equal(socket.timeout ?? 0, 0)
    await until(() => isLetGo(ctx))
    assert.equal(socket.timeout, 0)
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('x'))
    assert.ok((socket.timeout ?? 0) >= 7_000, `${socket.timeout}`)

    asking.socket.write(get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[1] as Koa.Context))
    server.close()
    server.closeIdleConnections()
    await until(idle.closed)
    assert.equal(clients.size, 1)
    clients.broadcast({ body: 'y' })
    await until(() => asking.got().endsWith('y'))
  })

  for (const [name, value, closes] of [
    ['connection', 'close', true],
    ['connection', 'keep-alive', false],
    ['X-Other', 'close', false],
  ] as const) {
    it(`${closes ? 'closes' : 'stays'} with the answer where who ends the server sets ${name}: ${value}`, async () => {
      const server = await open()
      const asking = ask(server, get('/a'))
      await until(() => held.some(isLetGo))
      // as http-terminator does it
      const { _httpMessage: response } = (held[0] as Koa.Context).req.socket as Socket & {
        _httpMessage?: ServerResponse
      }
      assert.equal(response?.headersSent, false)
      response?.setHeader(name, value)
      clients.broadcast({ body: 'x' })
      await until(() => asking.got().endsWith('\r\n\r\nx'))
      assert.equal(asking.got().includes('\r\nConnection: close\r\n'), closes)
      if (closes) await until(asking.closed)
      else {
        asking.socket.write(get('/plain'))
        await until(() => asking.got().endsWith('plain'))
      }
    })
  }

  for (const asksAgain of [false, true]) {
    it(`the time for which a connection is kept begins when all of a large answer has gone out${asksAgain ? ', but not where its client has asked again' : ''}`, async () => {
      const size = 32 * 1024 * 1024
      const server = await open()
      server.keepAliveTimeout = 7_000
      const asking = ask(server, get('/a'))
      await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
      const { socket } = (held[0] as Koa.Context).req
      asking.socket.pause()
      clients.broadcast({ body: Buffer.alloc(size, 'x') })
      await until(() => socket.writableLength > 0)
      await turn()
      assert.equal(socket.timeout, 0)
      if (asksAgain) {
        asking.socket.write(get('/b'))
        await until(() => clients.size === 1 && isLetGo(held[1] as Koa.Context))
      }
      assert.ok(socket.writableLength > 0)
      asking.socket.resume()
      await until(() => socket.writableLength === 0 && asking.socket.bytesRead > size)
      if (asksAgain) {
        for (let turns = 0; turns < 5; turns++) await turn()
        assert.equal(socket.timeout, 0)
        clients.broadcast({ body: 'y' })
        await until(() => asking.got().endsWith('y'))
      }
      await until(() => (socket.timeout ?? 0) >= 7_000)
    })
  }

  for (const keepAliveTimeout of [0, 7_000]) {
    for (const [what, set, limit] of [
      ['ctx.req.setTimeout(0)', ({ req }) => void req.setTimeout(0), 0],
      ['ctx.req.setTimeout(90_000)', ({ req }) => void req.setTimeout(90_000), 90_000],
      ['ctx.res.setTimeout(90_000)', ({ res }) => void res.setTimeout(90_000), 90_000],
      ['ctx.socket.setTimeout(90_000)', ({ socket }) => void socket.setTimeout(90_000), 90_000],
    ] as [string, (ctx: Koa.Context) => void, number][]) {
      it(`${what}: that limit is in force meanwhile; connections kept for ${keepAliveTimeout || 'ever'}`, async () => {
        const server = await open({
          above: (ctx, next) => {
            if (ctx.path === '/own') set(ctx)
            return next()
          },
        })
        server.setTimeout(60_000)
        server.keepAliveTimeout = keepAliveTimeout
        const asking = ask(server, get('/own'))
        await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
        const { socket } = (held[0] as Koa.Context).req
        assert.equal(socket.timeout, limit)
        socket.setTimeout(120_000)
        clients.broadcast({ body: 'one' })
        await until(() => asking.got().endsWith('one'))
        const after = socket.timeout ?? 0
        if (keepAliveTimeout === 0) {
          assert.equal(after, 120_000)
          return
        }
        // Node adds some
        assert.ok(after >= keepAliveTimeout && after < 60_000, `${after}`)
        asking.socket.write(get('/a'))
        await until(() => clients.size === 1 && isLetGo(held[1] as Koa.Context))
        assert.equal(socket.timeout, 60_000)
      })
    }
  }

  it("the server's own limit for a silent socket is in force meanwhile", async () => {
    const server = await open()
    server.setTimeout(60_000)
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
    const { socket } = (held[0] as Koa.Context).req
    assert.equal(socket.timeout, 60_000)
    socket.emit('timeout')
    await until(asking.closed)
    assert.equal(clients.size, 0)
  })

  it('a client that leaves is forgotten, on its first request and on a later one', async () => {
    const server = await open({ options: { timeout: 0 } })
    const asking = ask(server)
    const listeners: number[] = []
    for (let times = 0; times < 12; times++) {
      asking.socket.write(get('/a'))
      await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
      listeners.push((held.at(-1) as Koa.Context).req.socket.listenerCount('close'))
      if (times < 11) clients.broadcast({ body: 'x' })
      await until(() => (asking.got().match(/HTTP/g)?.length ?? 0) === Math.min(times + 1, 11))
    }
    asking.socket.destroy()
    await until(() => clients.size === 0)
    assert.deepEqual([...clients.keys()], [])
    assert.equal(new Set(listeners).size, 1, `${listeners}`)
  })

  it('a client that has sent another request meanwhile has its answer, and asks again for the other', async () => {
    const server = await open()
    server.keepAliveTimeout = 0
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
    asking.socket.write(get('/b'))
    await until(() => clients.size === 2)
    asking.socket.write(get('/plain'))
    await turn()
    assert.equal(asking.got(), '')
    clients.answer('/a', { body: 'first' })
    await until(asking.closed)
    assert.match(asking.got(), /^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n\r\nfirst$/s)
    await until(() => clients.size === 0)
  })

  it('two requests that come together are answered both, in their order', async () => {
    const server = await open()
    const asking = ask(server, get('/a') + get('/b'))
    await until(() => clients.size === 2)
    await turn()
    clients.answer('/b', { body: 'second' })
    clients.answer('/a', { body: 'first' })
    await until(() => asking.got().endsWith('second'))
    assert.match(asking.got(), /first.*second$/s)
  })

  it('a client that has ended its side, where the server allows that, has its answer, and the connection closes', async () => {
    const server = await open()
    Object.assign(server, { httpAllowHalfOpen: true })
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
    const ended = new Promise((resolve) => (held[0] as Koa.Context).req.socket.once('end', resolve))
    asking.socket.end()
    await ended
    clients.broadcast({ body: 'x' })
    await until(asking.closed)
    assert.match(asking.got(), /Connection: close\r\n\r\nx$/)
  })

  it('over TLS', async () => {
    const server = await open({ server: createTlsServer(selfSigned()) as unknown as Server })
    const socket = connectTls({ port: portOf(server), host: '127.0.0.1', rejectUnauthorized: false })
    sockets.push(socket)
    let got = ''
    socket.setEncoding('latin1').on('data', (more) => {
      got += more
    })
    for (const body of ['one', 'two']) {
      socket.write(get('/a'))
      await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
      const served = (held.at(-1) as Koa.Context).req.socket
      assert.equal(served.timeout, 0)
      clients.broadcast({ body })
      await until(() => got.endsWith(body))
      await until(() => (served.timeout ?? 0) > 0)
    }
    socket.write(get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[2] as Koa.Context))
    socket.destroy()
    await until(() => clients.size === 0)
  })

  it('over any stream that the server is given for a connection', async () => {
    const server = await open()
    const [client, given] = duplexPair()
    let got = ''
    client.setEncoding('latin1').on('data', (more) => {
      got += more
    })
    server.emit('connection', given)
    for (const [more, body] of [
      ['', 'one'],
      ['Connection: close\r\n', 'two'],
    ]) {
      client.write(get('/a', more))
      await until(() => clients.size === 1 && isLetGo(held.at(-1) as Koa.Context))
      clients.broadcast({ body })
      await until(() => got.endsWith(`\r\n\r\n${body}`))
    }
    await until(() => client.readableEnded)
    client.end()
    await until(() => given.destroyed)
  })

  it('a connection that cannot be written to is closed, which is a warning; all others have their answer', async () => {
    const server = await open()
    const asking: ReturnType<typeof ask>[] = []
    for (let count = 1; count <= 3; count++) {
      asking.push(ask(server, get('/a')))
      await until(() => clients.size === count && held.every(isLetGo))
    }
    const broken = new Error('broken')
    Object.assign((held[1] as Koa.Context).req.socket, {
      write: () => {
        throw broken
      },
    })
    const { emitWarning } = process
    const warnings: unknown[] = []
    process.emitWarning = (warning: unknown) => void warnings.push(warning)
    try {
      assert.equal(clients.broadcast({ body: 'one' }), 3)
      await until(() => asking.every(({ got, closed }) => closed() || got().endsWith('one')))
    } finally {
      process.emitWarning = emitWarning
    }
    assert.deepEqual([warnings, asking.map(({ got }) => got().slice(-3))], [[broken], ['one', '', 'one']])
    asking[0]?.socket.write(get('/a'))
    await until(() => clients.size === 1)
    clients.broadcast({ body: 'two' })
    await until(() => asking[0]?.got().endsWith('two') === true)
  })

  describe('holds as it would without', () => {
    for (const [what, { above = () => {}, requests = [get('/a')], server: more = {} }] of Object.entries<{
      above?: (ctx: Koa.Context) => void
      requests?: string[]
      server?: Partial<Server>
    }>({
      'HTTP/1.0': { requests: ['GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'] },
      'a body that is still to come': { requests: ['POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n'] },
      'a head that is written by somebody else': {
        above: ({ res }) => {
          const { writeHead } = res
          res.writeHead = (...head: unknown[]) => {
            res.setHeader('X-Late', 'yes')
            return Reflect.apply(writeHead, res, head)
          }
        },
      },
      'a response that is written by somebody else': {
        above: ({ res }) => {
          const { write } = res
          res.write = (...chunk: unknown[]) => Reflect.apply(write, res, chunk)
        },
      },
      'a response that is ended by somebody else': {
        above: ({ res }) => {
          const { end } = res
          res.end = (...chunk: unknown[]) => Reflect.apply(end, res, chunk)
        },
      },
      'a status message': { above: (ctx) => Object.assign(ctx.res, { statusMessage: 'Fine' }) },
      'a head without its date': { above: (ctx) => Object.assign(ctx.res, { sendDate: false }) },
      'a time limit that somebody hears of': { above: ({ res }) => void res.setTimeout(60_000, () => {}) },
      'a connection that is said to close': { above: (ctx) => ctx.set('Connection', 'close') },
      'so many requests a connection': { server: { maxRequestsPerSocket: 5 } },
      'a server that lets go of no response at its end': { above: ({ res }) => res.removeAllListeners('finish') },
    })) {
      it(what, async () => {
        const server = await open({
          above: async (ctx, next) => {
            above(ctx)
            await next()
          },
        })
        Object.assign(server, more)
        const asking = ask(server, ...requests)
        await until(() => clients.size === 1)
        await turn()
        await turn()
        const [{ res }] = held as [Koa.Context]
        assert.deepEqual([res.closed, res.writableEnded], [false, false])
        clients.broadcast({ body: 'answer' })
        await until(() => asking.got().endsWith('answer'))
        assert.equal(res.headersSent, true)
      })
    }
  })

  it('is not let go of before all above has returned: what is set late goes out, an error is answered', async () => {
    const returning = gate()
    const server = await open({
      above: async (ctx, next) => {
        await next()
        await returning
        if (ctx.path === '/error') throw new Error('late')
        ctx.cookies.set('late', 'yes')
      },
    })
    const [asking, failing] = [ask(server, get('/a')), ask(server, get('/error'))]
    await until(() => clients.size === 2)
    await turn()
    assert.deepEqual(held.map(isLetGo), [false, false])
    returning.open()
    await until(() => failing.got().includes('\r\n\r\nInternal Server Error'))
    assert.deepEqual([errors.map(({ message }) => message), clients.size], [['late'], 1])
    await until(() => held.some(isLetGo))
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('x'))
    assert.match(asking.got(), /^HTTP\/1\.1 200 OK\r\nSet-Cookie: late=yes/i)
  })

  it('not compact: nothing that comes late is lost to a look at ctx.respond on the way back', async () => {
    const returning = gate()
    const server = await open({
      options: { compact: false },
      above: async (ctx, next) => {
        await next()
        assert.equal(ctx.respond, false)
        await returning
        ctx.set('X-Late', 'yes')
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1)
    await turn()
    returning.open()
    await turn()
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('x'))
    assert.match(asking.got(), /\r\nX-Late: yes\r\n/)
  })

  it('is let go of no more where it is answered before all above has returned', async () => {
    const returning = gate()
    const finished: boolean[] = []
    const server = await open({
      above: async (ctx, next) => {
        ctx.res.on('finish', () => finished.push(ctx.res.headersSent))
        await next()
        await returning
      },
    })
    const asking = ask(server, get('/a'))
    for (const body of ['one', 'two']) {
      await until(() => clients.size === 1)
      clients.broadcast({ body })
      if (body === 'two') returning.open()
      await until(() => asking.got().endsWith(body))
      if (body === 'one') asking.socket.write(get('/b'))
    }
    await turn()
    asking.socket.write(get('/plain'))
    await until(() => asking.got().endsWith('plain'))
    assert.deepEqual([finished, clients.size], [[true, true, true], 0])
  })

  it('is not let go of where somebody looks at what was held before on the connection', async () => {
    const returning = gate()
    const server = await open({
      above: async (ctx, next) => {
        await next()
        if (ctx.path === '/b') await returning
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => held.some(isLetGo))
    clients.broadcast({ body: 'one' })
    await until(() => asking.got().endsWith('one'))
    asking.socket.write(get('/b'))
    await until(() => clients.size === 1)
    const [first, second] = held as [Koa.Context, Koa.Context]
    assert.equal(first.respond, false)
    await turn()
    assert.equal(isLetGo(second), false)
    returning.open()
    await until(() => isLetGo(second))
    clients.broadcast({ body: 'two' })
    await until(() => asking.got().endsWith('two'))
  })

  it('is not let go of any sooner where it is held twice by mistake', async () => {
    const returning = gate()
    const codes: unknown[] = []
    const server = await open({
      above: async (ctx, next) => {
        await next()
        try {
          clients.hold(ctx)
        } catch (error) {
          codes.push((error as { code: unknown }).code)
        }
        await returning
        ctx.set('X-Late', 'yes')
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => codes.length === 1)
    await turn()
    assert.deepEqual([codes, held.map(isLetGo), clients.size], [['ERR_ILLEGAL_STATE'], [false], 1])
    returning.open()
    await until(() => held.some(isLetGo))
    clients.broadcast({ body: 'x' })
    await until(() => asking.got().endsWith('x'))
    assert.match(asking.got(), /\r\nX-Late: yes\r\n/)
  })

  it('what is no more to be kept from Koa is given back to it', async () => {
    const server = await open({
      above: async (ctx, next) => {
        await next()
        assert.equal(ctx.respond, false)
        ctx.respond = true
        assert.throws(() => clients.hold(ctx), { code: 'ERR_ILLEGAL_STATE' })
        ctx.body = 'mine'
      },
    })
    const asking = ask(server, get('/a'))
    await until(() => asking.got().endsWith('mine'))
    await until(() => clients.size === 0)
  })

  describe('by default', () => {
    const options = { compact: undefined }
    const channel = 'http.server.response.finish'
    const subscriber = () => {}
    afterEach(() => void unsubscribe(channel, subscriber))

    it('lets go where nobody listens', async () => {
      const server = await open({ options, above: (_ctx, next) => next() })
      const asking = ask(server, get('/a'))
      await until(() => held.some(isLetGo))
      clients.broadcast({ body: 'x' })
      await until(() => asking.got().endsWith('x'))
    })

    for (const [what, listen] of Object.entries<(ctx: Koa.Context, heard: () => void) => void>({
      'the end of the response': ({ res }, heard) => res.on('finish', heard),
      'the close of the response': ({ res }, heard) => res.once('close', heard),
      ...Object.fromEntries(
        ['end', 'error', 'prefinish', 'drain', 'pipe', 'unpipe', 'timeout'].map((name) => [
          `${name} of the response`,
          ({ res }: Koa.Context, heard: () => void) => {
            res.on(name, () => {})
            heard()
          },
        ]),
      ),
      ...Object.fromEntries(
        ['data', 'readable', 'error', 'aborted'].map((name) => [
          `${name} of the request`,
          ({ req }: Koa.Context, heard: () => void) => {
            req.on(name, () => {})
            heard()
          },
        ]),
      ),
      'the response by on-finished': ({ res }, heard) => void onFinished(res, heard),
      'the response by node:stream': ({ res }, heard) => void finished(res, heard),
      'the end of the request': ({ req }, heard) => req.on('end', heard),
      'the close of the request': ({ req }, heard) => req.on('close', heard),
      'all responses of the process': (_ctx, heard) => {
        subscribe(channel, subscriber)
        heard()
      },
    })) {
      it(`keeps both where somebody listens to ${what}, until they are over`, async () => {
        let heard = 0
        const server = await open({
          options,
          above: async (ctx, next) => {
            await next()
            if (ctx.path === '/a') listen(ctx, () => heard++)
          },
        })
        const asking = ask(server, get('/a'))
        await until(() => clients.size === 1)
        for (let turns = 0; turns < 5; turns++) await turn()
        const { res } = held[0] as Koa.Context
        assert.deepEqual([res.closed, res.writableEnded], [false, false])
        clients.broadcast({ body: 'x' })
        await until(() => asking.got().endsWith('x') && heard === 1)
        assert.equal(res.headersSent, true)
      })
    }
  })

  it('never lets go where that is not wanted', async () => {
    const server = await open({ options: { compact: false } })
    ask(server, get('/a'))
    await until(() => clients.size === 1)
    for (let turns = 0; turns < 5; turns++) await turn()
    assert.deepEqual(held.map(isLetGo), [false])
  })

  it('whoever listens hears that the response is over, not that its client has left; as who asks for it later', async () => {
    const heard: [string, boolean][] = []
    const server = await open({
      above: async (ctx, next) => {
        for (const name of ['finish', 'close']) ctx.res.on(name, () => heard.push([name, ctx.res.writableFinished]))
        onFinished(ctx.res, (_error, res) => heard.push(['on-finished', res.writableFinished]))
        await next()
      },
    })
    ask(server, get('/a'))
    await until(() => held.some(isLetGo))
    onFinished((held[0] as Koa.Context).res, () => heard.push(['later', true]))
    await until(() => heard.length === 4)
    assert.deepEqual(heard, [
      ['on-finished', true],
      ['finish', true],
      ['close', true],
      ['later', true],
    ])
    assert.equal(clients.size, 1)
  })

  it('a listener to the end that throws harms nobody who is held', async () => {
    const server = await open({
      above: (ctx, next) => {
        ctx.res.on('finish', () => {
          throw new Error('listener')
        })
        return next()
      },
    })
    const thrown: Error[] = []
    const [listener] = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error))
    try {
      const asking = [ask(server, get('/a')), ask(server, get('/a'))]
      await until(() => thrown.length === 2)
      await until(() => held.every(isLetGo))
      assert.deepEqual([thrown.map(({ message }) => message), clients.size], [['listener', 'listener'], 2])
      clients.broadcast({ body: 'x' })
      await until(() => asking.every(({ got }) => got().endsWith('x')))
    } finally {
      process.removeAllListeners('uncaughtException')
      if (listener !== undefined) process.on('uncaughtException', listener)
    }
  })

  for (const [when, drainsAtOnce] of [
    ['in the turn in which it is held', true],
    ['later', false],
  ] as const) {
    it(`what is drained ${when} goes home, and it is waited for`, async () => {
      const server = await open({ options: { random: () => 0 } })
      server.keepAliveTimeout = 0
      const asking = ask(server, get('/a'))
      let written: number | undefined
      const drain = () =>
        clients.drain({ timeout: 1_000 }).then((drained) => {
          written = held[0]?.req.socket.bytesWritten
          return drained
        })
      const drained = new Promise((resolve) => {
        if (drainsAtOnce) server.once('request', () => resolve(drain()))
        else until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context)).then(() => resolve(drain()))
      })
      await until(() => clock.timers > 1)
      for (let turns = 0; turns < 3; turns++) await turn()
      assert.equal(clients.size, 1)
      clock.advance(1)
      await until(asking.closed)
      assert.deepEqual(await drained, { held: 1, failed: 0 })
      assert.ok((written ?? 0) > 0, 'it was over before there was an answer')
    })
  }

  it('who is leaving is written nothing', async () => {
    const server = await open()
    const errors: Error[] = []
    server.on('clientError', (error) => errors.push(error))
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
    const { socket } = (held[0] as Koa.Context).req
    socket.once('end', () => assert.equal(clients.broadcast({ body: 'x' }), 1))
    asking.socket.end()
    await until(asking.closed)
    assert.deepEqual([clients.size, errors, asking.got()], [0, [], ''])
  })

  it('all under one key have the answer that is right for them', async () => {
    const server = await open({
      above: (ctx, next) => {
        if (ctx.query['own'] !== undefined) ctx.set('X-Own', String(ctx.query['own']))
        return next()
      },
    })
    const brief = createServer({ keepAliveTimeout: 7_000 })
    brief.on('request', server.listeners('request')[0] as () => void)
    await new Promise<void>((resolve) => brief.listen(0, '127.0.0.1', resolve))
    servers.push(brief)
    const asking: ReturnType<typeof ask>[] = []
    for (const [which, request] of [
      [server, get('/a')],
      [server, 'HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n'],
      [server, get('/a?own=1')],
      [server, get('/a')],
      [server, get('/a', 'Connection: close\r\n')],
      [brief, get('/a')],
      [server, get('/a?own=2')],
      [server, get('/a')],
    ] as const) {
      asking.push(ask(which, request))
      await until(() => clients.size === asking.length && held.every(isLetGo))
    }
    clients.broadcast({ body: 'x' })
    await until(() => asking.every(({ got }) => got().endsWith('\r\n\r\n') || got().endsWith('x')))
    const seen = asking.map(({ got }) => {
      const [head = '', body] = got().split('\r\n\r\n')
      return [/X-Own: (.)/.exec(head)?.[1], /(close|timeout=\d+)$/.exec(head)?.[1], body]
    })
    assert.deepEqual(seen, [
      [undefined, 'timeout=5', 'x'],
      [undefined, 'timeout=5', ''],
      ['1', 'timeout=5', 'x'],
      [undefined, 'timeout=5', 'x'],
      [undefined, 'close', 'x'],
      [undefined, 'timeout=7', 'x'],
      ['2', 'timeout=5', 'x'],
      [undefined, 'timeout=5', 'x'],
    ])
  })

  it('bytes that are no request while it is held: 400, and the connection closes', async () => {
    const server = await open()
    const asking = ask(server, get('/a'))
    await until(() => clients.size === 1 && isLetGo(held[0] as Koa.Context))
    asking.socket.write('what is this\r\n\r\n')
    await until(asking.closed)
    assert.match(asking.got(), /^HTTP\/1\.1 400 /)
    assert.equal(clients.size, 0)
  })
})
