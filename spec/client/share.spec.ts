import assert from 'node:assert/strict'
import type { ConnectOptions } from '../../src/client/index.js'
import { until } from '../support/gate.js'
import { ClientScene, type Tab } from './client-scene.js'
import { FakeBrowser, type FakePage } from './fake-page.js'

describe('the client, shared by the tabs of a browser', () => {
  let scene: ClientScene
  let browser: FakeBrowser
  beforeEach(async () => {
    scene = await new ClientScene().open()
    browser = new FakeBrowser()
  })
  afterEach(async () => {
    await scene.close()
    await until(() => browser.idle)
  })

  interface SharedTab extends Tab {
    readonly page: FakePage
  }
  const follow = (options: ConnectOptions = {}, listen = true): SharedTab => {
    const page = browser.page()
    return { ...scene.follow({ share: true, page, ...options }, listen), page }
  }

  /** The first one leads; the others have asked for their place, which is the same. */
  async function tabs(count: number, options: ConnectOptions = {}): Promise<SharedTab[]> {
    const leader = follow({ cursor: 'c-0', ...options })
    await until(() => scene.server.pending.length === 1)
    const rest: SharedTab[] = []
    for (let place = 1; place < count; place++) {
      const tab = follow(options)
      rest.push(tab)
      await until(() => scene.server.pending.length === 2)
      const exchange = scene.server.pending.pop()
      assert.deepEqual([exchange?.cursor, exchange?.wait, exchange?.streams], [null, '0', false])
      exchange?.empty('c-0')
      await until(() => tab.connection.state === 'open')
    }
    return [leader, ...rest]
  }

  it('one asks, all are told', async () => {
    const all = await tabs(7)
    ;(await scene.next()).messages(1, 2)
    ;(await scene.next()).messages(3)
    await until(() => all.every(({ got }) => got.length === 3))
    for (const { got, connection } of all) {
      assert.deepEqual(got, [1, 2, 3])
      assert.equal(connection.cursor, 'c-3')
    }
    // the places of six, and three polls of the one
    await scene.next()
    assert.equal(scene.server.count, 9)
  })

  it('one has a stream, all are told', async () => {
    const all = await tabs(3, { transport: 'sse' })
    const stream = (await scene.next()).stream('id: c-0\n\n')
    stream.write('id: c-1\ndata: 1\n\nid: c-5\nevent: gap\ndata: {}\n\nid: c-6\ndata: 6\n\n')
    await until(() => all.every(({ got }) => got.length === 3))
    for (const { got, connection } of all) {
      assert.deepEqual(got, [1, 'gap', 6])
      assert.equal(connection.cursor, 'c-6')
    }
    assert.equal(scene.server.count, 3)
  })

  it('the leader goes: the next one goes on from its cursor', async () => {
    const [first, second, third] = (await tabs(3)) as [SharedTab, SharedTab, SharedTab]
    ;(await scene.next()).messages(1)
    const given = await scene.next()
    await until(() => third.got.length === 1)
    first.connection.close()
    await until(() => given.closed)
    const poll = await scene.next()
    assert.deepEqual([poll.cursor, poll.wait], ['c-1', null])
    poll.messages(2)
    await until(() => third.got.length === 2)
    assert.deepEqual(second.got, [1, 2])
    assert.deepEqual(first.got, [1])
    assert.equal((await scene.next()).cursor, 'c-2')
  })

  for (const [what, leave, back] of [
    ['is left and comes back', 'pagehide', 'pageshow'],
    ['is offline and comes back', 'offline', 'online'],
  ] as const) {
    it(`the leader's page ${what}: another one leads, and it catches up`, async () => {
      const [first, second] = (await tabs(2)) as [SharedTab, SharedTab]
      const given = await scene.next()
      first.page.fire(leave)
      await until(() => given.closed)
      ;(await scene.next()).messages(1)
      await scene.next()
      assert.deepEqual(second.got, [1])
      assert.deepEqual(first.got, [])
      scene.manual.advance(2_000)
      first.page.fire(back, { persisted: true })
      const missed = await scene.next()
      assert.deepEqual([missed.cursor, missed.wait], ['c-0', '0'])
      missed.messages(1)
      await until(() => first.got.length === 1)
      await scene.quiet()
    })
  }

  it('who stands elsewhere asks for itself, and nothing comes twice', async () => {
    const [leader, follower] = (await tabs(2)) as [SharedTab, SharedTab]
    const late = follow({ cursor: 'c-old' })
    await until(() => scene.server.pending.length === 2)
    const catching = scene.server.pending.pop()
    assert.deepEqual([catching?.cursor, catching?.wait], ['c-old', '0'])
    // the leader is told of the first one while the other one is still being answered
    ;(await scene.next()).messages(1)
    await until(() => follower.got.length === 1)
    await until(() => scene.server.pending.length === 1)
    catching?.json({ cursor: 'c-0', messages: [{ id: 'c-0', data: 0 }] })
    await until(() => scene.server.pending.length === 2)
    const again = scene.server.pending.pop()
    assert.deepEqual([again?.cursor, again?.wait], ['c-0', '0'])
    again?.messages(1)
    await until(() => late.got.length === 2)
    ;(await scene.next()).messages(2)
    await until(() => late.got.length === 3)
    assert.deepEqual(late.got, [0, 1, 2])
    assert.deepEqual(leader.got, [1, 2])
  })

  it('who is ahead of the leader is not told again', async () => {
    const [leader, follower] = (await tabs(2)) as [SharedTab, SharedTab]
    const poll = await scene.next()
    scene.manual.advance(2_000)
    follower.page.show('visible')
    ;(await scene.next()).messages(1)
    await until(() => follower.got.length === 1)
    poll.messages(1)
    await until(() => leader.got.length === 1)
    ;(await scene.next()).messages(2)
    await until(() => follower.got.length === 2 && leader.got.length === 2)
    assert.deepEqual(follower.got, [1, 2])
  })

  it('a slow loop in a tab that follows: it asks for itself when it is done', async () => {
    await tabs(1)
    const slow = follow({ cursor: 'c-0' }, false)
    await until(() => scene.server.pending.length === 2)
    scene.server.pending.pop()?.empty('c-0')
    await until(() => slow.connection.state === 'open')
    ;(await scene.next()).messages(1)
    ;(await scene.next()).messages(2)
    ;(await scene.next()).messages(3)
    await until(() => scene.server.pending.length === 1)
    scene.manual.advance(1_000)
    const loop = slow.connection[Symbol.asyncIterator]()
    assert.equal((await loop.next()).value?.data, 1)
    await until(() => scene.server.pending.length === 2)
    const missed = scene.server.pending.pop()
    assert.deepEqual([missed?.cursor, missed?.wait], ['c-1', '0'])
    missed?.messages(2, 3)
    assert.equal((await loop.next()).value?.data, 2)
    assert.equal((await loop.next()).value?.data, 3)
  })

  it('a slow loop in the tab that leads: another one leads after a second', async () => {
    const slow = follow({ cursor: 'c-0' }, false)
    await until(() => scene.server.pending.length === 1)
    const tab = follow({ cursor: 'c-0' })
    await until(() => scene.server.pending.length === 2)
    scene.server.pending.pop()?.empty('c-0')
    await until(() => tab.connection.state === 'open')
    ;(await scene.next()).messages(1)
    await until(() => tab.got.length === 1)
    await until(() => scene.manual.next === 1_000)
    scene.manual.advance(1_000)
    const poll = await scene.next()
    assert.deepEqual([poll.cursor, poll.wait], ['c-1', null])
    const loop = slow.connection[Symbol.asyncIterator]()
    assert.equal((await loop.next()).value?.data, 1)
    const missed = await scene.next()
    assert.deepEqual([missed.cursor, missed.wait], ['c-1', '0'])
    missed.empty('c-1')
    poll.messages(2)
    assert.equal((await loop.next()).value?.data, 2)
  })

  it('a leader that is silent, as a frozen page is: another one takes the lead', async () => {
    const [, follower] = (await tabs(2)) as [SharedTab, SharedTab]
    const given = await scene.next()
    // the time stands still for the leader, and its lock is not given back
    await until(() => scene.manual.next === 35_000)
    scene.manual.advance(35_000)
    const poll = await scene.next()
    assert.equal(poll.cursor, 'c-0')
    await until(() => given.closed)
    poll.messages(1)
    await until(() => follower.got.length === 1)
  })

  it('the leader is refused for good: the next one hears it itself', async () => {
    const [leader, follower] = (await tabs(2)) as [SharedTab, SharedTab]
    ;(await scene.next()).refuse(403, 'ERR_FORBIDDEN')
    await until(() => leader.ends.length === 1)
    scene.manual.advance(1_000)
    ;(await scene.next()).refuse(403, 'ERR_FORBIDDEN')
    await until(() => follower.ends.length === 1)
  })

  it('who may not see the same is kept apart by a name', async () => {
    const [one, other] = ['one', 'other'].map((share) => follow({ share, cursor: 'c-0' })) as [SharedTab, SharedTab]
    await until(() => scene.server.pending.length === 2)
    assert.deepEqual(
      scene.server.pending.map(({ wait }) => wait),
      [null, null],
    )
    scene.server.pending.shift()?.messages(1)
    await until(() => one.got.length + other.got.length === 1 && scene.server.pending.length === 2)
    await scene.quiet()
    assert.equal(one.got.length + other.got.length, 1)
  })

  for (const [what, page] of [
    ['without locks', {}],
    ['without broadcasts', { navigator: { locks: {} } }],
    [
      'where broadcasts are forbidden',
      {
        navigator: { locks: {} },
        BroadcastChannel: class {
          constructor() {
            throw new DOMException('no', 'SecurityError')
          }
        },
      },
    ],
    [
      'where locks are forbidden',
      {
        navigator: { locks: { request: () => Promise.reject(new DOMException('no', 'SecurityError')) } },
        BroadcastChannel: class {
          postMessage(): void {}
          close(): void {}
        },
      },
    ],
  ] as const) {
    it(`${what}, each asks for itself`, async () => {
      const { got } = scene.follow({ share: true, page, cursor: 'c-0' })
      ;(await scene.next()).messages(1)
      assert.equal((await scene.next()).wait, null)
      assert.deepEqual(got, [1])
    })
  }
})
