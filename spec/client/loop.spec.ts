import assert from 'node:assert/strict'
import type { ConnectionError, CursorStorage } from '../../src/client/index.js'
import { until } from '../support/gate.js'
import { ClientScene } from './client-scene.js'

class Shelf implements CursorStorage {
  readonly items = new Map<string, string>()
  getItem = (key: string): string | null => this.items.get(key) ?? null
  setItem = (key: string, value: string): void => {
    this.items.set(key, value)
  }
}

describe('the client, in a loop', () => {
  let scene: ClientScene
  beforeEach(async () => {
    scene = await new ClientScene().open()
  })
  afterEach(() => scene.close())

  it('the cursor moves when the next message is asked for, and of one answer with its last message', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).messages(1, 2)
    assert.deepEqual(await first, { done: false, value: { id: 'c-1', data: 1 } })
    assert.equal(connection.cursor, 'c-0')
    assert.equal((await loop.next()).value?.data, 2)
    assert.equal(connection.cursor, 'c-0')
    const third = loop.next()
    await until(() => connection.cursor === 'c-2')
    ;(await scene.next()).messages(3)
    assert.equal((await third).value?.data, 3)
    assert.equal(connection.cursor, 'c-2')
  })

  it('a slow loop: one answer is there and one is asked for, and no more', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).messages(1)
    await first
    ;(await scene.next()).messages(2, 3)
    await scene.quiet()
    assert.equal((await loop.next()).value?.data, 2)
    await scene.quiet()
    assert.equal((await loop.next()).value?.data, 3)
    assert.equal((await scene.next()).cursor, 'c-3')
  })

  it('nothing new does not move the cursor past what the loop has in hand', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).messages(1)
    await first
    const exchange = await scene.next()
    scene.manual.advance(5_000)
    exchange.empty('c-1')
    await scene.next()
    assert.equal(connection.cursor, 'c-0')
  })

  it('without anybody to take it, one answer is kept until somebody comes', async () => {
    const { connection, got } = scene.follow({ cursor: 'c-0' }, false)
    ;(await scene.next()).messages(1, 2)
    await scene.quiet()
    assert.equal(connection.cursor, 'c-0')
    connection.addEventListener('message', ({ detail }) => got.push(detail.data))
    assert.deepEqual(got, [])
    assert.equal((await scene.next()).cursor, 'c-2')
    assert.deepEqual(got, [1, 2])
  })

  it('a loop that is left closes the connection; what it had in hand is behind the cursor', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    scene.next().then((exchange) => exchange.messages(1, 2))
    for await (const { data } of connection) {
      assert.equal(data, 1)
      break
    }
    assert.equal(connection.state, 'closed')
    assert.equal(connection.cursor, 'c-0')
    for await (const _ of connection) assert.fail('it is closed')
  })

  for (const begun of [true, false]) {
    it(`a loop that is left ${begun ? 'while it waits' : 'before it began'} closes the connection at once`, async () => {
      const connection = scene.connect({ cursor: 'c-0' })
      const loop = connection[Symbol.asyncIterator]()
      const done = { done: true, value: undefined }
      const waiting = begun ? loop.next() : done
      const exchange = await scene.next()
      const left = loop.return()
      assert.equal(connection.state, 'closed')
      assert.deepEqual([await waiting, await left, await loop.next()], [done, done, done])
      await until(() => exchange.closed)
    })
  }

  it('close ends the loop, whatever has come', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    scene.next().then((exchange) => exchange.messages(1, 2))
    const got: unknown[] = []
    for await (const { data } of connection) {
      got.push(data)
      connection.close()
    }
    assert.deepEqual(got, [1])
  })

  it('two loops on one connection: each message goes to one of them, and close ends both', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    const got: unknown[] = []
    const loop = async (): Promise<void> => {
      for await (const { data } of connection) got.push(data)
    }
    const loops = [loop(), loop()]
    ;(await scene.next()).messages(1, 2, 3)
    await scene.next()
    await until(() => got.length === 3)
    connection.close()
    await Promise.all(loops)
    assert.deepEqual(got.toSorted(), [1, 2, 3])
  })

  it('two loops: the cursor stays before what one has in hand, and then moves past all that was dealt with', async () => {
    const storage = new Shelf()
    const connection = scene.connect({ cursor: 'c-0', storage })
    const [slow, quick] = [connection[Symbol.asyncIterator](), connection[Symbol.asyncIterator]()]
    const first = slow.next()
    ;(await scene.next()).messages(1)
    await first
    for (const number of [2, 3]) {
      const next = quick.next()
      ;(await scene.next()).messages(number)
      assert.equal((await next).value?.data, number)
    }
    quick.next()
    const exchange = await scene.next()
    assert.equal(connection.cursor, 'c-0')
    slow.next()
    await until(() => connection.cursor === 'c-3')
    assert.deepEqual([...storage.items.values()], ['c-3'])
    exchange.messages(4)
    await scene.next()
    assert.equal(connection.cursor, 'c-3')
  })

  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    it(`three loops, done in the order ${order}: the cursor never passes what is in hand, and never goes back`, async () => {
      const connection = scene.connect({ cursor: 'c-0' })
      const loops = [0, 1, 2].map(() => connection[Symbol.asyncIterator]())
      const firsts = loops.map((loop) => loop.next())
      // the first two in one answer, of which only the second one has a cursor
      ;(await scene.next()).messages(1, 2)
      await Promise.all(firsts.slice(0, 2))
      ;(await scene.next()).messages(3)
      await firsts[2]
      await scene.next()
      const inHand = new Set([0, 1, 2])
      for (const done of order) {
        loops[done]?.next()
        inHand.delete(done)
        const expected = inHand.has(0) || inHand.has(1) ? 0 : inHand.has(2) ? 2 : 3
        assert.equal(connection.cursor, `c-${expected}`)
      }
    })
  }

  it('two loops: one that is left ends the other, and an error that is final is thrown in both', async () => {
    const left = scene.connect({ cursor: 'c-0' })
    const loops = [left[Symbol.asyncIterator](), left[Symbol.asyncIterator]()] as const
    const first = loops[0].next()
    const second = loops[1].next()
    ;(await scene.next()).messages(1)
    await first
    await loops[0].return()
    assert.deepEqual(await second, { done: true, value: undefined })

    const refused = scene.connect({ cursor: 'c-0' })
    const both = [refused[Symbol.asyncIterator]().next(), refused[Symbol.asyncIterator]().next()]
    await until(() => scene.server.pending.some(({ closed }) => !closed))
    for (const exchange of scene.server.pending.splice(0)) exchange.refuse(403, 'ERR_FORBIDDEN')
    for (const next of both) await assert.rejects(next, { code: 'ERR_FORBIDDEN', final: true })
  })

  it('an error that is final is thrown in the loop, after what came before it', async () => {
    const connection = scene.connect({ cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).messages(1)
    await first
    ;(await scene.next()).messages(2)
    assert.equal((await loop.next()).value?.data, 2)
    ;(await scene.next()).refuse(403, 'ERR_FORBIDDEN')
    await until(() => connection.state === 'closed')
    await assert.rejects(
      loop.next(),
      (error: ConnectionError) => error.code === 'ERR_FORBIDDEN' && error.status === 403,
    )
    assert.equal(connection.cursor, 'c-2')
  })

  it('listeners are told of what the loop takes, when it takes it', async () => {
    const { connection, got } = scene.follow({ cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).messages(1, 2)
    await first
    assert.deepEqual(got, [1])
    await loop.next()
    assert.deepEqual(got, [1, 2])
  })

  it('a gap with nothing behind it: told at once, kept for the next message, and the cursor stays before it', async () => {
    const { connection, got } = scene.follow({ cursor: 'c-0' }, false)
    const loop = connection[Symbol.asyncIterator]()
    const first = loop.next()
    ;(await scene.next()).json({ cursor: 'd-0', messages: [], gap: true })
    const exchange = await scene.next()
    assert.equal(exchange.cursor, 'd-0')
    assert.deepEqual(got, ['gap'])
    scene.manual.advance(5_000)
    exchange.empty('d-0')
    const last = await scene.next()
    assert.equal(connection.cursor, 'c-0')
    last.json({ cursor: 'd-1', messages: [{ id: 'd-1', data: 1 }] })
    assert.deepEqual((await first).value, { id: 'd-1', data: 1, gap: true })
    loop.next()
    await until(() => connection.cursor === 'd-1')
  })

  describe('with a storage', () => {
    it('keeps the cursor of what was dealt with, and the next page goes on from it', async () => {
      const storage = new Shelf()
      const connection = scene.connect({ storage })
      const key = `koa-continuation ${scene.server.url}`
      const loop = connection[Symbol.asyncIterator]()
      const first = loop.next()
      ;(await scene.next()).empty('c-0')
      await until(() => storage.items.get(key) === 'c-0')
      ;(await scene.next()).messages(1)
      await first
      const second = loop.next()
      ;(await scene.next()).messages(2)
      await second
      assert.deepEqual([...storage.items], [[key, 'c-1']])
      // the page is gone with the second one in hand
      const given = await scene.next()
      connection.close()
      await until(() => given.closed)
      const again = scene.connect({ storage, cursor: 'c-9' })
      assert.equal(again.cursor, 'c-1')
      assert.equal((await scene.next()).cursor, 'c-1')
    })

    it('under a key of its own', async () => {
      const storage = new Shelf()
      const { got } = scene.follow({ storage, key: 'mine', cursor: 'c-0' })
      ;(await scene.next()).messages(1)
      await scene.next()
      assert.deepEqual(got, [1])
      assert.deepEqual([...storage.items], [['mine', 'c-1']])
    })

    it('a cursor that the server cannot read any more: from the given one, and told as a gap', async () => {
      const storage = new Shelf()
      storage.setItem('mine', 'old')
      const { got, errors, connection } = scene.follow({ storage, key: 'mine' })
      const old = await scene.next()
      assert.equal(old.cursor, 'old')
      old.refuse(400, 'ERR_INVALID_CURSOR')
      const place = await scene.nextAfter(1_000)
      assert.deepEqual([place.cursor, place.wait], [null, '0'])
      place.empty('c-0')
      ;(await scene.next()).messages(1)
      await scene.next()
      assert.deepEqual(got, ['gap', 1])
      assert.deepEqual(errors, [])
      assert.equal(connection.cursor, 'c-1')
    })

    it('a storage that is full is an error, and nothing else', async () => {
      const storage = new Shelf()
      storage.setItem = () => {
        throw new Error('QuotaExceededError')
      }
      const { got, errors } = scene.follow({ storage, cursor: 'c-0' })
      ;(await scene.next()).messages(1)
      ;(await scene.next()).messages(2)
      await scene.next()
      assert.deepEqual(got, [1, 2])
      assert.deepEqual(
        errors.map(({ code, final }) => [code, final]),
        [
          ['ERR_STORAGE', false],
          ['ERR_STORAGE', false],
        ],
      )
    })
  })
})
