import assert from 'node:assert/strict'
import { until } from '../support/gate.js'
import { ClientScene, type Tab } from './client-scene.js'
import { FakePage } from './fake-page.js'

describe('the client, in a page', () => {
  let scene: ClientScene
  let page: FakePage
  beforeEach(async () => {
    scene = await new ClientScene().open()
    page = new FakePage()
  })
  afterEach(() => scene.close())

  const follow = (options = {}): Tab => scene.follow({ cursor: 'c-0', page, ...options })

  it('the URL may be relative to the page', async () => {
    page.document.baseURI = `${scene.server.url}/deep/page`
    const { connect } = await import('../../src/client/index.js')
    const connection = connect('other?room=1', { page, clock: scene.clock, transport: 'poll', cursor: 'c-0' })
    const { request } = await scene.next()
    assert.equal(request.url, '/news/deep/other?room=1&cursor=c-0')
    connection.close()
    await until(() => scene.manual.timers === 0)
  })

  it('offline: gives up at once and stays quiet; online: asks at once', async () => {
    const { connection, errors, got } = follow()
    const exchange = await scene.next()
    scene.manual.advance(3_000)
    page.fire('offline')
    await until(() => exchange.closed && connection.state === 'paused')
    scene.manual.advance(3_600_000)
    await scene.quiet()
    assert.equal(scene.manual.timers, 0)
    page.fire('online')
    const again = await scene.next()
    assert.equal(again.cursor, 'c-0')
    again.messages(1)
    await scene.next()
    assert.deepEqual(got, [1])
    assert.deepEqual(errors, [])
  })

  for (const [what, wake] of [
    ['shown', () => page.show('visible')],
    ['online', () => page.fire('online')],
    ['thawed', () => page.document.dispatchEvent(new Event('resume'))],
    ['back from the cache', () => page.fire('pageshow', { persisted: true })],
  ] as const) {
    it(`${what}: a back-off is over`, async () => {
      const { errors } = follow({ retry: { base: 20_000 } })
      ;(await scene.next()).cut()
      await until(() => errors.length === 1 && scene.manual.next === 10_000)
      scene.manual.advance(2_000)
      wake()
      await scene.next()
    })

    it(`${what}: a request that may be dead is asked again`, async () => {
      const { errors, got } = follow()
      const dead = await scene.next()
      scene.manual.advance(2_000)
      wake()
      const again = await scene.next()
      await until(() => dead.closed)
      again.messages(1)
      await scene.next()
      assert.deepEqual(got, [1])
      assert.deepEqual(errors, [])
    })

    it(`${what}: Retry-After holds`, async () => {
      const { errors } = follow()
      ;(await scene.next()).refuse(503, 'ERR_DRAINING', { 'retry-after': '60' })
      await until(() => errors.length === 1 && scene.manual.next === 60_000)
      wake()
      await scene.nextAfter(60_000)
    })
  }

  it('shown and hidden as fast as it goes: one request a second', async () => {
    follow()
    await scene.next()
    for (let times = 0; times < 10; times++) {
      page.show('hidden')
      page.show('visible')
      await scene.quiet()
    }
    await scene.nextAfter(1_000)
  })

  it('hidden: goes on', async () => {
    follow()
    ;(await scene.next()).messages(1)
    page.show('hidden')
    ;(await scene.next()).messages(2)
    await scene.next()
  })

  it('left: gives up; back from the cache: goes on from the cursor', async () => {
    const { connection, got, states } = follow()
    ;(await scene.next()).messages(1)
    const exchange = await scene.next()
    page.fire('pagehide', { persisted: true })
    await until(() => exchange.closed && connection.state === 'paused')
    assert.equal(scene.manual.timers, 0)
    scene.manual.advance(10_000)
    page.fire('pageshow', { persisted: true })
    const again = await scene.next()
    assert.equal(again.cursor, 'c-1')
    again.messages(2)
    await scene.next()
    assert.deepEqual(got, [1, 2])
    assert.deepEqual(states, ['open', 'paused', 'connecting', 'open'])
  })

  it('the first pageshow of a page, which is on its way, is nothing', async () => {
    follow()
    const exchange = await scene.next()
    scene.manual.advance(5_000)
    page.fire('pageshow', { persisted: false })
    await scene.quiet()
    assert.equal(exchange.closed, false)
  })

  it('once closed, the page may do what it likes', async () => {
    const { connection, states } = follow()
    await scene.next()
    connection.close()
    page.fire('offline')
    page.fire('online')
    page.show('visible')
    await scene.quiet()
    assert.deepEqual(states, ['closed'])
  })

  it('closed while paused', async () => {
    const { connection, states } = follow()
    await scene.next()
    page.fire('offline')
    await until(() => connection.state === 'paused')
    connection.close()
    assert.deepEqual(states, ['paused', 'closed'])
  })

  it('closed by the listener that is told of the pause', async () => {
    const { connection } = follow()
    connection.addEventListener('state', () => connection.close())
    await scene.next()
    page.fire('offline')
    await until(() => connection.state === 'closed')
  })
})
