import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import Koa from 'koa'
import { type PlainAnswer, PlainHold, type PlainHoldOptions } from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'
import { withTaken } from '../support/taken.js'

/** What holds whether its requests are let go of or not. */
const holds = (compact?: boolean) => () => {
  let clock: ManualClock
  let clients: PlainHold
  let app: Koa
  let served: Served

  function make(options: PlainHoldOptions = {}, prepare: (app: Koa) => void = () => {}): void {
    clock = new ManualClock()
    clients = new PlainHold({ clock, random: () => 0, compact, ...options })
    app = new Koa()
    prepare(app)
    app.use((ctx) => {
      if (ctx.path === '/plain') ctx.body = 'plain'
      else clients.hold(ctx, ctx.path.slice(1))
    })
  }
  async function open(options?: PlainHoldOptions, prepare?: (app: Koa) => void): Promise<void> {
    make(options, prepare)
    served = await serve(app)
  }
  afterEach(async () => {
    await served?.close()
  })
  const held = (count: number) => until(() => clients.size === count)

  it('answers all under a key with the same, or all of them, and says how many', async () => {
    await open()
    const [a1, a2, b] = [served.get('/a'), served.get('/a'), served.get('/b')]
    await held(3)
    assert.deepEqual([[...clients.keys()].sort(), clients.waiting('a'), clients.waiting('c')], [['a', 'b'], 2, 0])
    assert.equal(clients.answer('a', { body: 'one' }), 2)
    assert.deepEqual([clients.size, clients.waiting('a')], [1, 0])
    assert.deepEqual([(await a1).body, (await a2).body], ['one', 'one'])
    assert.equal(clients.broadcast({ body: { n: 2 } }), 1)
    assert.deepEqual(JSON.parse((await b).body), { n: 2 })
    assert.deepEqual([clients.answer('a', {}), clients.broadcast({}), clients.size], [0, 0, 0])
    assert.equal(clock.timers, 0)
  })

  for (const [answer, status, type, body] of [
    [{ body: 'text' }, 200, 'text/plain; charset=utf-8', 'text'],
    [{ body: 'grün' }, 200, 'text/plain; charset=utf-8', 'grün'],
    [{ body: '' }, 200, 'text/plain; charset=utf-8', ''],
    [{ body: Buffer.from('bytes') }, 200, 'application/octet-stream', 'bytes'],
    [{ body: [1, null] }, 200, 'application/json; charset=utf-8', '[1,null]'],
    [{ body: null }, 200, 'application/json; charset=utf-8', 'null'],
    [{}, 204, undefined, ''],
    [{ status: 304, body: 'no' }, 304, undefined, ''],
    [{ status: 200 }, 200, undefined, ''],
    [{ status: 205 }, 205, undefined, ''],
    [{ status: 404 }, 404, undefined, ''],
    [{ status: 503, headers: { 'Content-Type': 'text/x' } }, 503, 'text/x', ''],
    [{ status: 404, body: 'gone', headers: { 'content-type': 'text/x' } }, 404, 'text/x', 'gone'],
  ] as const) {
    it(`${inspect(answer)}: ${status} ${type}`, async () => {
      await open()
      const asking = served.get('/')
      await held(1)
      clients.broadcast(answer)
      const got = await asking
      assert.deepEqual([got.status, got.headers['content-type'], got.body], [status, type, body])
      const length = status === 204 || status === 304 ? undefined : String(Buffer.byteLength(body))
      assert.equal(got.headers['content-length'], length)
    })
  }

  it('the only key there is, or one of several', async () => {
    await open()
    const [a1, a2] = [served.get('/a'), served.get('/a')]
    await held(2)
    assert.equal(clients.answer('a', { body: 'one' }), 2)
    assert.deepEqual([clients.size, clients.waiting('a'), [...clients.keys()]], [0, 0, []])
    assert.deepEqual([(await a1).body, (await a2).body], ['one', 'one'])
    const [a3, b] = [served.get('/a'), served.get('/b')]
    await held(2)
    assert.equal(clients.answer('a', { body: 'two' }), 1)
    assert.deepEqual([clients.size, clients.waiting('a'), [...clients.keys()]], [1, 0, ['b']])
    clients.broadcast({ body: 'three' })
    assert.deepEqual([(await a3).body, (await b).body], ['two', 'three'])
  })

  it('who is answered holds on to nobody who came before or after', () =>
    withTaken(async (taken) => {
      await open()
      const asking = ['/a', '/a', '/b', '/a'].map((path) => served.get(path))
      await held(4)
      clients.answer('a', { body: 'one' })
      asking.push(served.get('/b'))
      await held(2)
      clients.broadcast({ body: 'two' })
      await Promise.all(asking)
      assert.equal(taken.length, 5)
      for (const { res, line, before, after, place } of taken) {
        assert.deepEqual([res, line.key, line.places.size], [undefined, undefined, 0])
        assert.deepEqual([before, after, place.before, place.after], [undefined, undefined, undefined, undefined])
      }
    }))

  it('writes right after what sends answers off, never within, and what is sent off later in that turn in the next', async () => {
    const sent = new Map<string, () => boolean>()
    await open({}, (app) => {
      app.use((ctx, next) => {
        const { socket } = ctx.req
        sent.set(ctx.path, () => socket.bytesWritten > 0)
        return next()
      })
    })
    const asking = [served.get('/a'), served.get('/b')]
    await held(2)
    await turn()
    const done = () => [sent.get('/a')?.(), sent.get('/b')?.()]
    const jobs = () => new Promise<void>((resolve) => clock.afterJobs(resolve))
    clients.answer('a', { body: 'one' })
    assert.deepEqual(done(), [false, false])
    await jobs()
    assert.deepEqual(done(), [true, false])
    clients.answer('b', { body: 'two' })
    await jobs()
    assert.deepEqual(done(), [true, false])
    await turn()
    await until(() => sent.get('/b')?.() === true)
    asking.push(served.get('/a'))
    await held(1)
    await turn()
    clients.answer('a', { body: 'three' })
    await jobs()
    assert.deepEqual(done(), [true, true])
    assert.deepEqual(
      (await Promise.all(asking)).map(({ body }) => body),
      ['one', 'two', 'three'],
    )
  })

  it('headers that were set above go out with the answer; what stands above sees it end when it is held', async () => {
    const seen: string[] = []
    await open({}, (app) => {
      app.use(async (ctx, next) => {
        ctx.set('X-Above', 'here')
        await next()
        seen.push(`after ${clients.size}`)
        ctx.set('Set-Cookie', 'a=1')
      })
    })
    const asking = served.get('/')
    await held(1)
    await until(() => seen.length === 1)
    clients.broadcast({ body: 'x', headers: { 'Cache-Control': 'no-store' } })
    const { headers, body } = await asking
    assert.deepEqual(
      [headers['x-above'], headers['set-cookie'], headers['cache-control'], body],
      ['here', ['a=1'], 'no-store', 'x'],
    )
    assert.deepEqual(seen, ['after 1'])
  })

  it('the time is up: 204, or what was said, each in its own time by one timer', async () => {
    await open({ timeout: 100, expired: { status: 200, body: 'nothing yet' } })
    const first = served.get('/a')
    await held(1)
    clock.advance(60)
    const second = served.get('/b')
    await held(2)
    assert.equal(clock.timers, 1)
    clock.advance(40)
    assert.equal((await first).body, 'nothing yet')
    assert.equal(clients.size, 1)
    clock.advance(59)
    assert.equal(clients.size, 1)
    clock.advance(1)
    assert.equal((await second).body, 'nothing yet')
    assert.equal(clock.timers, 0)
  })

  it('timeout 0: never', async () => {
    await open({ timeout: 0 })
    const asking = served.get('/')
    await held(1)
    assert.equal(clock.timers, 0)
    clients.broadcast({})
    assert.equal((await asking).status, 204)
  })

  it('a client that leaves is forgotten at once; one that has left already is not held', async () => {
    let returned: number | undefined
    await open({}, (app) => {
      app.use(async (ctx, next) => {
        if (ctx.path !== '/late') return next()
        await until(() => ctx.req.destroyed)
        returned = clients.hold(ctx)
      })
    })
    const asking = served.get('/a')
    await held(1)
    asking.request.destroy()
    await held(0)
    assert.deepEqual([[...clients.keys()], clock.timers], [[], 0])
    const late = served.get('/late')
    await new Promise((resolve) => served.server.once('request', resolve))
    late.request.destroy()
    await until(() => returned !== undefined)
    assert.deepEqual([returned, clients.size], [0, 0])
  })

  it('a client that leaves is forgotten with all that it asked on one connection', async () => {
    await open({ timeout: 0 })
    const socket = connect({ port: served.port, host: '127.0.0.1' })
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n')
    await held(2)
    socket.destroy()
    await held(0)
    assert.deepEqual([...clients.keys()], [])
  })

  it('a body that nobody reads does not hide that its client leaves', async () => {
    await open({ timeout: 0 })
    const head = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n'
    const socket = connect({ port: served.port, host: '127.0.0.1' })
    socket.write(head + 'x'.repeat(1_900_000))
    await held(1)
    socket.destroy()
    await held(0)
  })

  it('a body that was begun and left: held as any other, and its client is seen to leave', async () => {
    await open({ timeout: 0, limits: { perClient: 1 } }, (app) => {
      app.use(async ({ req }, next) => {
        for await (const _ of req) break
        assert.equal(req.socket, null)
        await next()
      })
    })
    const agent = new Agent({ keepAlive: true })
    for (const body of ['x', 'x'.repeat(1_000_000)]) {
      const asking = served.ask('POST', '/a', { body, agent })
      await held(1)
      assert.equal((await served.ask('POST', '/a', { body: 'x' })).status, 503)
      clients.broadcast({ body: 'y' })
      assert.equal((await asking).body, 'y')
    }
    const socket = connect({ port: served.port, host: '127.0.0.1' })
    socket.write(`POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(1_900_000)}`)
    await held(1)
    socket.destroy()
    await held(0)
    agent.destroy()
  })

  it('a body that somebody reads after the hold is all there', async () => {
    const read: string[] = []
    await open({}, (app) => {
      app.use(async (ctx, next) => {
        await next()
        read.push(await text(ctx.req))
      })
    })
    const asking = served.ask('POST', '/a', { body: 'x'.repeat(100_000) })
    await until(() => read.length > 0)
    clients.broadcast({ body: 'y' })
    assert.deepEqual([(await asking).body, read[0]?.length], ['y', 100_000])
  })

  it('over a limit: 503 with Retry-After, and the count is right again after each way out', async () => {
    await open({ limits: { total: 2, perKey: 1, perClient: 2 } }, (app) => {
      app.silent = true
    })
    for (const end of [
      () => clients.broadcast({}),
      () => clients.answer('a', {}),
      () => clock.advance(30_000),
      (client: { destroy(): void }) => client.destroy(),
    ]) {
      const asking = served.get('/a')
      asking.request.on('error', () => {})
      await held(1)
      const refused = await served.get('/a')
      assert.deepEqual([refused.status, Number(refused.headers['retry-after']) > 0], [503, true])
      end(asking.request)
      await held(0)
    }
  })

  it('HEAD, keep-alive and HTTP/2 as any answer', async () => {
    await open()
    const head = served.ask('HEAD', '/a')
    await held(1)
    clients.broadcast({ body: 'four' })
    assert.deepEqual([(await head).body, (await head).headers['content-length']], ['', '4'])

    const over2 = await serveHttp2(app)
    try {
      const session = await over2.connect()
      const asking = askHttp2(session, { ':path': '/a' })
      await held(1)
      clients.broadcast({ body: 'two', headers: { 'X-Own': 'yes' } })
      const { status, headers, body } = await asking
      assert.deepEqual([status, headers['x-own'], headers['content-length'], body], [200, 'yes', '3', 'two'])
    } finally {
      await over2.close()
    }
  })

  it('a client that leaves over HTTP/2 is forgotten, whatever its method; nobody waits for it who drains', async () => {
    await open()
    const over2 = await serveHttp2(app)
    try {
      const session = await over2.connect()
      const asking = ['GET', 'HEAD'].map((method) => askHttp2(session, { ':path': '/a', ':method': method }))
      await held(2)
      for (const { stream } of asking) stream.close(constants.NGHTTP2_CANCEL)
      await held(0)
      assert.deepEqual([[...clients.keys()], clock.timers], [[], 0])
      const last = askHttp2(session, { ':path': '/a', ':method': 'HEAD' })
      await held(1)
      const drained = clients.drain()
      last.stream.close(constants.NGHTTP2_CANCEL)
      assert.deepEqual(await drained, { held: 1, failed: 0 })
    } finally {
      await over2.close()
    }
  })

  const page: Koa.Middleware = async (ctx, next) => {
    await next()
    ctx.status = 404
    ctx.body = 'no such page'
  }
  const preset: Koa.Middleware = (ctx, next) => {
    ctx.type = 'html'
    ctx.status = 201
    return next()
  }
  for (const [what, above] of Object.entries({ 'a page for what is not found': page, 'a type and a status': preset })) {
    for (const [answer, type, length] of [
      [{}, undefined, undefined],
      [{ status: 503 }, undefined, '0'],
      [{ status: 503, body: 'no' }, 'text/plain; charset=utf-8', '2'],
    ] as const) {
      it(`${what} above it leaves nothing of its body in the answer ${inspect(answer)}`, async () => {
        await open({}, (app) => app.use(above))
        const asking = served.get('/a')
        await held(1)
        await turn()
        clients.broadcast(answer)
        const { status, headers, body, message } = await asking
        const seen = [status, message, headers['content-type'], headers['content-length'], body]
        const [code, phrase] = 'status' in answer ? [503, 'Service Unavailable'] : [204, 'No Content']
        const text = 'body' in answer ? answer.body : ''
        assert.deepEqual(seen, [code, phrase, type, length, text])

        const over2 = await serveHttp2(app)
        try {
          const asking = askHttp2(await over2.connect(), { ':path': '/a' })
          await held(1)
          await turn()
          clients.broadcast(answer)
          const { status, headers, body } = await asking
          assert.deepEqual(
            [status, headers['content-type'], headers['content-length'], body],
            [code, type, length, text],
          )
        } finally {
          await over2.close()
        }
      })
    }
  }

  describe('the turns in which answers are written', () => {
    let turns: number
    /** What happened to responses, in order: the path of each that has its head, and of each that is finished with a dot. */
    let seen: string[]

    beforeEach(async () => {
      turns = 0
      seen = []
      // looking at the time takes longer than the budget: one portion a turn
      make({ budget: 0 }, (app) => {
        app.use(({ res, path }, next) => {
          const { writeHead } = res
          res.writeHead = (...head: unknown[]) => {
            seen.push(path)
            return Reflect.apply(writeHead, res, head)
          }
          res.on('finish', () => seen.push(`${path}.`))
          return next()
        })
      })
      const { nextTurn } = clock
      Object.assign(clock, {
        nextTurn: (callback: () => void) => {
          turns++
          nextTurn.call(clock, callback)
        },
      })
      served = await serve(app)
    })
    const ask = (path: string, count: number) => Array.from({ length: count }, () => served.get(path))
    const times = (count: number, what: string): string[] => new Array(count).fill(what)

    it('are as many as the budget makes them, and all have their answer before the first is ended', async () => {
      const asking = ask('/a', 40)
      await held(40)
      turns = 0
      clients.broadcast({ body: 'x' })
      assert.deepEqual(seen, [])
      for (const { body } of await Promise.all(asking)) assert.equal(body, 'x')
      await until(() => seen.length === 80)
      assert.deepEqual(seen, [...times(40, '/a'), ...times(40, '/a.')])
      // sixteen a portion
      assert.equal(turns, 6)
    })

    it('begin short, and each is twice as long as the one before, up to the budget', async () => {
      await served.close()
      const written: number[] = []
      let turn = 0
      make({ budget: 4 }, (app) => {
        app.use(({ res }, next) => {
          const { writeHead } = res
          res.writeHead = (...head: unknown[]) => {
            written[turn] = (written[turn] ?? 0) + 1
            // sixteen take half a millisecond
            clock.advance(1 / 32)
            return Reflect.apply(writeHead, res, head)
          }
          return next()
        })
      })
      const { nextTurn } = clock
      Object.assign(clock, {
        nextTurn: (callback: () => void) =>
          nextTurn.call(clock, () => {
            turn++
            callback()
          }),
      })
      served = await serve(app)
      for (let times = 0; times < 2; times++) {
        written.length = 0
        turn = 0
        const asking = ask('/a', 400)
        await held(400)
        clients.broadcast({ body: 'x' })
        for (const { body } of await Promise.all(asking)) assert.equal(body, 'x')
        assert.deepEqual(
          written.filter((count) => count > 0),
          [16, 32, 64, 128, 128, 32],
        )
      }
    })

    it('are shared by those who are still to be ended and those who are still to be told', async () => {
      const asking = [...ask('/a', 48), ...ask('/b', 32)]
      await held(80)
      const ended = until(() => seen.includes('/a.'))
      clients.answer('a', { body: 'x' })
      await ended
      seen = []
      clients.answer('b', { body: 'y' })
      await Promise.all(asking)
      await until(() => seen.length >= 32 + 32 + 16)
      const runs = seen.filter((what, place) => what !== seen[place - 1])
      assert.deepEqual(runs.slice(0, 4), ['/a.', '/b', '/a.', '/b'].slice(seen[0] === '/b' ? 1 : 0))
    })
  })

  it('an end that throws harms nobody else', async () => {
    await open({}, (app) => {
      app.use(({ res, path }, next) => {
        if (path === '/strict') {
          res.end = () => {
            throw new Error('no end')
          }
        }
        return next()
      })
    })
    const [strict, other] = [served.get('/strict'), served.get('/other')]
    await held(2)
    clients.broadcast({ body: 'x' })
    // both have it: what throws comes after
    assert.deepEqual([(await strict).body, (await other).body], ['x', 'x'])
    const again = served.get('/other')
    await held(1)
    clients.broadcast({ body: 'y' })
    assert.equal((await again).body, 'y')
  })

  it('a request sent behind one that is answered and not ended yet has its answer after it', async () => {
    await open()
    const { port } = served
    const socket = connect({ port, host: '127.0.0.1' })
    let text = ''
    socket.setEncoding('latin1').on('data', (more) => {
      text += more
      // as soon as the whole of an answer is there
      if (text.endsWith('one')) socket.write('GET /b HTTP/1.1\r\nHost: a\r\n\r\n')
    })
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n')
    await held(1)
    clients.answer('a', { body: 'one' })
    await held(1)
    clients.answer('b', { body: 'two' })
    await until(() => text.endsWith('two'))
    socket.destroy()
  })

  it('drain: all are sent home on connections that close, and nobody is held any more', async () => {
    await open({}, (app) => {
      app.silent = true
    })
    const asking = [served.get('/a'), served.get('/b')]
    await held(2)
    const draining = clients.drain()
    assert.equal((await served.get('/a')).status, 503)
    clock.advance(1)
    for (const { status, headers } of await Promise.all(asking)) {
      assert.deepEqual([status, headers.connection], [204, 'close'])
    }
    assert.deepEqual(await draining, { held: 2, failed: 0 })
    assert.deepEqual([await clients.drain(), clock.timers], [{ held: 0, failed: 0 }, 0])
  })

  it('drain: waits for those who are on their way, whose connections close too', async () => {
    await open({ budget: 0 })
    const agent = new Agent({ keepAlive: true })
    const asking = Array.from({ length: 100 }, () => served.ask('GET', '/a', { agent }))
    await held(100)
    clients.broadcast({ body: 'x' })
    let answered = 0
    for (const one of asking) one.then(({ headers }) => headers.connection === 'close' && answered++)
    const written = Promise.all(asking)
    assert.deepEqual(await clients.drain(), { held: 100, failed: 0 })
    await written
    assert.deepEqual([answered, clock.timers], [100, 0])
  })

  it('drain: at the timeout it says who was on the way', async () => {
    await open({ budget: 0 })
    const asking = Array.from({ length: 40 }, () => served.get('/a'))
    await held(40)
    clients.broadcast({ body: 'x' })
    const drained = clients.drain({ timeout: 5 })
    clock.advance(5)
    assert.deepEqual(await drained, { held: 40, failed: 40 })
    await Promise.all(asking)
  })

  it('drain: who has asked twice on one connection is answered twice, and then that closes', async () => {
    await open()
    const socket = connect({ port: served.port, host: '127.0.0.1' })
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n')
    const answers = text(socket)
    await held(2)
    const draining = clients.drain()
    clock.advance(1)
    assert.deepEqual(await draining, { held: 2, failed: 0 })
    const [, first = '', second = '', ...more] = (await answers).split('HTTP/1.1 204 ')
    assert.deepEqual([/close/.test(first), /\r\nConnection: close\r\n/.test(second), more], [false, true, []])
    assert.equal(clock.timers, 0)
  })

  it('an error above it after the hold is answered, and the request is forgotten', async () => {
    await open({}, (app) => {
      app.silent = true
      app.use(async (_ctx, next) => {
        await next()
        throw new Error('above')
      })
    })
    assert.equal((await served.get('/a')).status, 500)
    await held(0)
    assert.equal(clients.broadcast({}), 0)
  })

  it('twice, or after the response has begun: an error with a code', async () => {
    const codes: unknown[] = []
    await open({}, (app) => {
      app.use(async (ctx, next) => {
        await next()
        try {
          clients.hold(ctx)
        } catch (error) {
          codes.push((error as { code?: unknown }).code)
        }
      })
    })
    const asking = served.get('/a')
    await until(() => codes.length === 1)
    clients.broadcast({})
    await asking
    assert.deepEqual(codes, ['ERR_ILLEGAL_STATE'])
    for (const what of [{}, null, undefined, 'ctx']) {
      assert.throws(() => clients.hold(what as never), { code: 'ERR_INVALID_OPTION' })
    }
  })

  it('wrong options and answers: an error with a code, and nobody is answered', async () => {
    for (const options of [
      { timeout: '1s' },
      { expired: 'nothing' },
      { expired: { body: undefined, type: 'x' } },
      { limits: { perPage: 1 } },
      { clientId: 'ip' },
      { budget: null },
      { random: 1 },
      { clock: {} },
      { hold: 1 },
      { compact: 'yes' },
      null,
    ]) {
      const make = () => new PlainHold(options as PlainHoldOptions)
      assert.throws(make, { name: 'TypeError', code: 'ERR_INVALID_OPTION' }, inspect(options))
    }
    assert.throws(() => new PlainHold({ limits: { total: -1 } }), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
    await open()
    const asking = served.get('/a')
    await held(1)
    const round: Record<string, unknown> = {}
    round['self'] = round
    for (const answer of [
      'text',
      { status: '200' },
      { status: Number.NaN },
      { headers: new Headers({ 'X-Own': 'a' }) },
      { headers: new Map([['X-Own', 'a']]) },
      { headers: ['X-Own: a'] },
      { headers: { 'X-Two': 'a\r\nb' } },
      { headers: { 'X-Number': 5 } },
      { headers: { 'X-Far': 'grün 😀' } },
      { headers: { 'X-Nul': 'a\0b' } },
      { headers: { 'X Two': 'a' } },
      { headers: { '': 'a' } },
      { headers: { 'Content-Length': '3' } },
      { headers: { 'transfer-encoding': 'chunked' } },
      { headers: { connection: 'close' } },
      { headers: { Trailer: 'X-Last' } },
      { body: round },
      { body: () => {} },
      { body: Promise.resolve('x') },
      { body: Readable.from(['x']) },
      { body: new Response('x') },
      { body: new Response('x').body },
      { body: new Blob(['x']) },
      { text: 'x' },
    ]) {
      const call = () => clients.answer('a', answer as unknown as PlainAnswer)
      assert.throws(call, { code: 'ERR_INVALID_OPTION' }, inspect(answer))
    }
    for (const status of [99, 199, 200.5, 600, -1]) {
      const call = () => clients.answer('a', { status })
      assert.throws(call, { name: 'RangeError', code: 'ERR_INVALID_OPTION' }, inspect(status))
    }
    assert.equal(clients.broadcast({ body: 'x' }), 1)
    assert.equal((await asking).body, 'x')
    assert.equal(inspect(clients), 'PlainHold { 0 held under 0 keys }')
  })
}

describe('PlainHold', holds())
describe('PlainHold, not compact', holds(false))
describe('PlainHold, compact', holds(true))
