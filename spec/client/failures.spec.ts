import assert from 'node:assert/strict'
import { turn, until } from '../support/gate.js'
import { ClientScene } from './client-scene.js'

describe('the client, when something goes wrong', () => {
  let scene: ClientScene
  beforeEach(async () => {
    scene = await new ClientScene().open()
  })
  afterEach(() => scene.close())

  it('waits at random, twice as long after each failure, up to a bound, and begins anew after an answer', async () => {
    const { errors, states } = scene.follow({ cursor: 'c-0' })
    let exchange = await scene.next()
    // half of 1, 2, 4, … 30 s, and never less than a second from request to request
    for (const delay of [1_000, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      exchange.cut()
      exchange = await scene.nextAfter(delay)
    }
    exchange.messages(1)
    exchange = await scene.next()
    exchange.cut()
    await scene.nextAfter(1_000)
    assert.equal(errors.length, 8)
    assert.deepEqual(new Set(errors.map(({ code }) => code)), new Set(['ERR_NETWORK']))
    assert.deepEqual(states.slice(0, 3), ['waiting', 'connecting', 'waiting'])
  })

  it('retry: base and max; jitter is full', async () => {
    const draws = [0.999, 0.5, 0]
    const random = (): number => draws.shift() ?? 0
    scene.follow({ cursor: 'c-0', retry: { base: 10_000, max: 15_000 }, random })
    ;(await scene.next()).cut()
    ;(await scene.nextAfter(9_990)).cut()
    ;(await scene.nextAfter(7_500)).cut()
    // it may come to nothing, and is paced all the same
    await scene.nextAfter(1_000)
  })

  it('retry: { base: 0 }: a second from request to request, however many came to nothing', async () => {
    let asked = 0
    const fetch = async (): Promise<never> => {
      asked++
      await turn()
      throw new TypeError('fetch failed')
    }
    scene.follow({ cursor: 'c-0', retry: { base: 0 }, fetch })
    // 2 to the power of 1 024 is no number any more
    for (let times = 1; times < 1_100; times++) {
      await until(() => scene.manual.next === 1_000)
      assert.equal(asked, times)
      scene.manual.advance(1_000)
    }
  })

  it('the server is away: asks until it is back, and goes on from the cursor', async () => {
    const { got, errors } = scene.follow({ cursor: 'c-0' })
    ;(await scene.next()).messages(1)
    const { port } = scene.server
    await scene.next()
    await scene.server.close()
    for (let times = 1; times < 4; times++) {
      await until(() => errors.length === times && scene.manual.next !== undefined)
      scene.manual.advance(scene.manual.next ?? 0)
    }
    await until(() => errors.length === 4)
    await scene.server.open(port)
    await until(() => scene.manual.next !== undefined)
    scene.manual.advance(scene.manual.next ?? 0)
    const exchange = await scene.next()
    assert.equal(exchange.cursor, 'c-1')
    exchange.messages(2)
    await scene.next()
    assert.deepEqual(got, [1, 2])
  })

  for (const status of [408, 425, 429, 500, 502, 503]) {
    it(`${status} is tried again`, async () => {
      const { errors } = scene.follow({ cursor: 'c-0' })
      ;(await scene.next()).refuse(status, 'ERR_SOME')
      ;(await scene.nextAfter(1_000)).messages(1)
      await scene.next()
      assert.deepEqual(
        errors.map((error) => [error.code, error.status, error.message, error.final]),
        [['ERR_SOME', status, 'refused: ERR_SOME', false]],
      )
    })
  }

  for (const [status, code] of [
    [400, 'ERR_INVALID_CURSOR'],
    [401, 'ERR_UNAUTHORIZED'],
    [403, 'ERR_FORBIDDEN'],
    [404, 'ERR_UNKNOWN_CHANNEL'],
  ] as const) {
    for (const transport of ['poll', 'sse'] as const) {
      it(`${status} is final, by ${transport}`, async () => {
        const { connection, errors, ends, states } = scene.follow({ cursor: 'c-0', transport })
        ;(await scene.next()).refuse(status, code)
        await until(() => ends.length === 1)
        assert.deepEqual(ends, errors)
        assert.deepEqual([errors[0]?.code, errors[0]?.status, errors[0]?.final], [code, status, true])
        assert.equal(errors[0]?.name, 'ConnectionError')
        assert.equal(connection.state, 'closed')
        assert.deepEqual(states, ['closed'])
        await scene.quiet()
      })
    }
  }

  it('an error of somebody else, a proxy or a login page', async () => {
    const { errors } = scene.follow({ cursor: 'c-0' })
    ;(await scene.next()).response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
    ;(await scene.nextAfter(1_000)).json(null, 500)
    ;(await scene.nextAfter(1_000)).response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in</h1>')
    ;(await scene.nextAfter(2_000)).json({ hello: 'world' })
    ;(await scene.nextAfter(4_000)).json(null)
    const { length } = await until(() => errors.length === 5).then(() => errors)
    assert.equal(length, 5)
    assert.deepEqual(
      errors.map(({ code, status }) => [code, status]),
      [
        ['ERR_STATUS', 502],
        ['ERR_STATUS', 500],
        ['ERR_ANSWER', undefined],
        ['ERR_ANSWER', undefined],
        ['ERR_ANSWER', undefined],
      ],
    )
  })

  it('a 204 without an ETag where there is no cursor yet is an error', async () => {
    const { errors } = scene.follow()
    ;(await scene.next()).response.writeHead(204).end()
    await until(() => errors.length === 1)
    assert.equal(errors[0]?.code, 'ERR_ANSWER')
    assert.match(errors[0]?.message ?? '', /no ETag/)
    ;(await scene.nextAfter(1_000)).empty('c-0')
    ;(await scene.next()).response.writeHead(204).end()
    assert.equal((await scene.nextAfter(1_000)).cursor, 'c-0')
    assert.equal(errors.length, 1)
  })

  describe('Retry-After', () => {
    it('in seconds', async () => {
      scene.follow({ cursor: 'c-0' })
      ;(await scene.next()).refuse(503, 'ERR_SUSPENSION_LIMIT', { 'retry-after': '7' })
      await scene.nextAfter(7_000)
    })

    it('as a date', async () => {
      // of full seconds, by the clock on the wall
      const date = new Date(Date.now() + 90_000).toUTCString()
      const { errors } = scene.follow({ cursor: 'c-0' })
      ;(await scene.next()).refuse(503, 'ERR_DRAINING', { 'retry-after': date })
      await until(() => errors.length === 1 && scene.manual.next !== undefined)
      const { next = 0 } = scene.manual
      assert.ok(next > 60_000 && next <= 90_000, `${next}`)
      await scene.nextAfter(next)
    })

    for (const value of ['0', 'soon', 'Thu, 01 Jan 1970 00:00:00 GMT']) {
      it(`${value}: the client's own time`, async () => {
        scene.follow({ cursor: 'c-0' })
        ;(await scene.next()).refuse(503, 'ERR_DRAINING', { 'retry-after': value })
        await scene.nextAfter(1_000)
      })
    }
  })
})
