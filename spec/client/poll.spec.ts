import assert from 'node:assert/strict'
import { until } from '../support/gate.js'
import { ClientScene } from './client-scene.js'

describe('the client, by long polling', () => {
  let scene: ClientScene
  beforeEach(async () => {
    scene = await new ClientScene().open()
  })
  afterEach(() => scene.close())

  it('from now: asks for its place first, then holds on, and hands each message over once, in order', async () => {
    const { connection, got, messages, states } = scene.follow()
    assert.equal(connection.cursor, undefined)
    assert.equal(connection.state, 'connecting')
    const first = await scene.next()
    assert.deepEqual([first.cursor, first.wait], [null, '0'])
    first.empty('c-0')
    const second = await scene.next()
    assert.deepEqual([second.cursor, second.wait], ['c-0', null])
    assert.equal(connection.cursor, 'c-0')
    assert.equal(connection.state, 'open')
    second.messages(1, 2)
    const third = await scene.next()
    assert.equal(third.cursor, 'c-2')
    third.messages(3)
    assert.equal((await scene.next()).cursor, 'c-3')
    assert.deepEqual(got, [1, 2, 3])
    assert.deepEqual(messages[0], { id: 'c-1', data: 1 })
    assert.deepEqual(states, ['open'])
    assert.equal(connection.cursor, 'c-3')
  })

  it('from a cursor: holds on at once, with the wait that was asked for and the query that the URL has', async () => {
    const connection = scene.connect({ cursor: '0', wait: 7.5 })
    const { cursor, wait, request } = await scene.next()
    assert.deepEqual([cursor, wait], ['0', '7.5'])
    assert.equal(request.headers.accept, 'application/json')
    assert.equal(request.headers['cache-control'], 'no-cache')
    connection.close()
  })

  it('event and channel come with the message', async () => {
    const { messages } = scene.follow({ cursor: 'c-0' })
    const message = { id: 'x', event: 'chat', channel: 'lobby', data: { text: 'hello' } }
    ;(await scene.next()).json({ cursor: 'c-1', messages: [message] })
    await scene.next()
    assert.deepEqual(messages, [message])
  })

  it('nothing new for as long as it is held: asks again at once', async () => {
    const { got, errors } = scene.follow({ cursor: 'c-0' })
    for (let times = 0; times < 3; times++) {
      const exchange = await scene.next()
      scene.manual.advance(20_000)
      exchange.empty('c-0')
    }
    ;(await scene.next()).messages(1)
    await scene.next()
    assert.deepEqual(got, [1])
    assert.deepEqual(errors, [])
  })

  it('a server that does not hold is asked once a second', async () => {
    scene.follow({ cursor: 'c-0' })
    let exchange = await scene.next()
    for (let times = 0; times < 5; times++) {
      if (times % 2) exchange.empty('c-0')
      else exchange.json({ cursor: 'c-0', messages: [] })
      exchange = await scene.nextAfter(1_000)
    }
  })

  it('a server that says the same gap again and again is asked once a second', async () => {
    const { got } = scene.follow({ cursor: 'c-0' })
    let exchange = await scene.next()
    for (let times = 0; times < 5; times++) {
      exchange.json({ cursor: 'c-0', messages: [], gap: true })
      exchange = await scene.nextAfter(1_000)
    }
    assert.deepEqual(got, Array(5).fill('gap'))
  })

  it('a server that says the same messages again and again: they are handed over once, and it is an error', async () => {
    const { got, errors } = scene.follow({ cursor: 'c-0' })
    ;(await scene.next()).messages(1)
    ;(await scene.next()).messages(1)
    await until(() => errors.length === 1)
    assert.equal(errors[0]?.code, 'ERR_ANSWER')
    assert.deepEqual(got, [1])
  })

  it('a gap is an event in its place, and the message after it says so', async () => {
    const { got, messages } = scene.follow({ cursor: 'c-0' })
    ;(await scene.next()).messages(1)
    ;(await scene.next()).json({ cursor: 'd-0', messages: [], gap: true })
    const exchange = await scene.next()
    assert.equal(exchange.cursor, 'd-0')
    exchange.json({ cursor: 'd-2', messages: [1, 2].map((n) => ({ id: `d-${n}`, data: n + 10 })) })
    await scene.next()
    assert.deepEqual(got, [1, 'gap', 11, 12])
    assert.deepEqual(
      messages.map(({ gap }) => gap),
      [undefined, true, undefined],
    )
  })

  const body = JSON.stringify({ cursor: 'c-2', messages: [1, 2].map((n) => ({ id: `c-${n}`, data: n })) })
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  it('an answer that is cut off at any point is asked for again: nothing is lost, nothing comes twice', async () => {
    const whole = head + body
    for (let length = 0; length < whole.length; length += 3) {
      const { got, errors, connection } = scene.follow({ cursor: 'c-0' })
      const { request } = await scene.next()
      request.socket.end(whole.slice(0, length))
      await until(() => errors.length === 1)
      assert.deepEqual(got, [])
      assert.equal(connection.cursor, 'c-0')
      // half of the base, but not sooner than a second after the request
      const again = await scene.nextAfter(1_000)
      assert.equal(again.cursor, 'c-0')
      again.messages(1, 2)
      const after = await scene.next()
      assert.equal(after.cursor, 'c-2')
      assert.deepEqual(got, [1, 2])
      connection.close()
    }
  })

  it('an answer that trickles in may take longer than the deadline', async () => {
    const { got, errors } = scene.follow({ cursor: 'c-0', wait: 5 })
    const { request } = await scene.next()
    request.socket.write(head)
    for (const letter of body) {
      request.socket.write(letter)
      await until(() => scene.manual.next === 15_000)
      scene.manual.advance(1_000)
    }
    await until(() => got.length === 2)
    assert.deepEqual(errors, [])
  })

  for (const [options, deadline] of [
    [{}, 35_000],
    [{ wait: 5 }, 15_000],
    [{ deadline: 1_234 }, 1_234],
  ] as const) {
    it(`a server that is silent is given up after ${deadline} ms: ${JSON.stringify(options)}`, async () => {
      const { errors } = scene.follow({ cursor: 'c-0', ...options })
      const stalled = await scene.next()
      scene.manual.advance(deadline - 1)
      await scene.quiet()
      assert.equal(stalled.closed, false)
      scene.manual.advance(1)
      await until(() => errors.length === 1 && stalled.closed)
      assert.equal(errors[0]?.code, 'ERR_DEADLINE')
      assert.equal((await scene.nextAfter(500)).cursor, 'c-0')
    })
  }

  it('close: the request is given up, nothing comes any more, and a second time is nothing', async () => {
    const { connection, states, ends, got } = scene.follow({ cursor: 'c-0' })
    const exchange = await scene.next()
    connection.close()
    connection.close()
    await until(() => exchange.closed)
    await scene.quiet()
    assert.deepEqual(states, ['closed'])
    assert.deepEqual(ends, [null])
    assert.deepEqual(got, [])
  })

  it('close by a listener, in the middle of an answer: the rest is not handed over', async () => {
    const { connection, got } = scene.follow({ cursor: 'c-0' })
    connection.addEventListener('message', ({ detail }) => detail.data === 2 && connection.close())
    ;(await scene.next()).messages(1, 2, 3)
    await until(() => connection.state === 'closed')
    await scene.quiet()
    assert.deepEqual(got, [1, 2])
  })

  it('an AbortSignal closes it, and one that is aborted already opens nothing', async () => {
    const aborting = new AbortController()
    const { connection, ends } = scene.follow({ cursor: 'c-0', signal: aborting.signal })
    const exchange = await scene.next()
    aborting.abort()
    await until(() => exchange.closed)
    assert.equal(connection.state, 'closed')
    assert.deepEqual(ends, [null])
    const second = scene.follow({ signal: aborting.signal })
    await until(() => second.connection.state === 'closed')
    await scene.quiet()
  })

  it('headers: fields, or a function that is asked before each request', async () => {
    scene.follow({ cursor: 'c-0', headers: { authorization: 'Bearer one' } })
    const exchange = await scene.next()
    assert.equal(exchange.request.headers.authorization, 'Bearer one')
    let token = 0
    scene.follow({ cursor: 'c-0', headers: async () => ({ authorization: `Bearer ${++token}` }) })
    for (const expected of ['Bearer 1', 'Bearer 2']) {
      const { request, response } = await scene.next()
      assert.equal(request.headers.authorization, expected)
      scene.manual.advance(2_000)
      response.writeHead(204, { etag: '"c-0"' }).end()
    }
    await scene.next()
  })

  it('headers: Headers and pairs, as fetch takes them; what is accepted stays as it is', async () => {
    const pairs = [
      ['authorization', 'Bearer one'],
      ['Accept', 'text/html'],
    ] as const
    for (const headers of [new Headers(pairs.map(([name, value]) => [name, value])), pairs, new Map(pairs)]) {
      for (const given of [headers, () => headers]) {
        const { connection } = scene.follow({ cursor: 'c-0', headers: given })
        const { request } = await scene.next()
        assert.deepEqual([request.headers.authorization, request.headers.accept], ['Bearer one', 'application/json'])
        connection.close()
      }
    }
  })

  it('headers that do not come are given up like an answer that does not come, and asked for again', async () => {
    let asked = 0
    const { got, errors } = scene.follow({
      cursor: 'c-0',
      headers: () => (++asked === 1 ? new Promise<never>(() => {}) : {}),
    })
    await until(() => asked === 1)
    await until(() => scene.manual.next === 35_000)
    scene.manual.advance(35_000)
    ;(await scene.nextAfter(500)).messages(1)
    await scene.next()
    assert.deepEqual([got, errors.map(({ code }) => code)], [[1], ['ERR_DEADLINE']])
  })

  it('headers that do not come keep nobody from leaving', async () => {
    const { connection, errors, ends } = scene.follow({ headers: () => new Promise<never>(() => {}) })
    await until(() => scene.manual.timers === 1)
    connection.close()
    await until(() => scene.manual.timers === 0)
    assert.deepEqual([errors, ends], [[], [null]])
  })

  it('headers that cannot be had are an error like another', async () => {
    const { errors } = scene.follow({
      cursor: 'c-0',
      headers: () => Promise.reject(new Error('no token')),
    })
    await until(() => errors.length === 1)
    assert.match(String(errors[0]?.cause), /no token/)
    assert.equal(scene.server.count, 0)
  })
})
