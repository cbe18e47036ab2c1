import assert from 'node:assert/strict'
import { Feed } from '../../src/channel/feed.js'
import { Channel } from '../../src/index.js'
import { MemoryLog } from '../../src/log/memory.js'

describe('Feed', () => {
  let channel: Channel
  let feed: Feed
  let log: MemoryLog
  beforeEach(async () => {
    log = new MemoryLog({ epoch: () => 'e' })
    channel = new Channel('news', { log })
    feed = channel.feed(false)
    await channel.publish(1)
  })
  const all = Number.POSITIVE_INFINITY
  const oldest = () => feed.cursorOf('0', ['news'])

  it('gives the very same cursor to all who come with the same text, and another for other channels', () => {
    const cursor = feed.cursorOf('e-1', ['news'])
    assert.equal(feed.cursorOf('e-1', ['news']), cursor)
    assert.deepEqual([...cursor], [['news', { epoch: 'e', seq: 1 }]])
    assert.deepEqual([...feed.cursorOf('e-1', ['olds'])], [['olds', { epoch: 'e', seq: 1 }]])
    assert.deepEqual([...feed.cursorOf('e-2', ['news'])], [['news', { epoch: 'e', seq: 2 }]])
    assert.deepEqual([...feed.cursorOf(undefined, ['news'])], [['news', 'now']])
    const named = new Feed(true)
    assert.deepEqual([...named.cursorOf('a:e-1', ['a', 'b']).keys()], ['a', 'b'])
    assert.deepEqual([...named.cursorOf('a:e-1', ['a']).keys()], ['a'])
  })

  it('does not parse again what was wrong as if it were right', () => {
    for (let times = 0; times < 2; times++) {
      assert.throws(() => feed.cursorOf('?', ['news']), { code: 'ERR_INVALID_CURSOR' })
    }
  })

  it('a batch that somebody has read comes at once, until the channel grows', async () => {
    const cursor = oldest()
    const reading = feed.read([channel], cursor, all)
    assert.ok(reading instanceof Promise)
    const batch = await reading
    assert.equal(feed.read([channel], cursor, all), batch)
    await channel.publish(2)
    const grown = await feed.read([channel], cursor, all)
    assert.equal(JSON.parse(String(grown.json)).messages.length, 2)
  })

  it('who takes less at once gets less, in whatever order they come', async () => {
    await channel.publish(2)
    const cursor = oldest()
    const count = async (bytes: number) =>
      JSON.parse(String((await feed.read([channel], cursor, bytes)).json)).messages.length
    assert.deepEqual([await count(all), await count(1), await count(all), await count(1)], [2, 1, 2, 1])
  })

  it('keeps few of those that ask from wherever they like, and the last of them', async () => {
    const reads: unknown[] = []
    const { read } = log
    log.read = (...asked) => {
      reads.push(asked[1])
      return read.apply(log, asked)
    }
    const cursors = Array.from({ length: 100 }, (_, n) => feed.cursorOf(`other-${n}`, ['news']))
    for (const cursor of cursors) await feed.read([channel], cursor, all)
    assert.equal(reads.length, 100)
    for (const cursor of cursors.slice(-16)) assert.ok(!(feed.read([channel], cursor, all) instanceof Promise))
    assert.equal(reads.length, 100)
    for (const cursor of cursors.slice(0, -16)) await feed.read([channel], cursor, all)
    assert.equal(reads.length, 184)
    // the same place by another way is the same batch
    const again = feed.cursorOf('other-83', ['news'])
    assert.notEqual(again, cursors[83])
    assert.equal(await feed.read([channel], again, all), await feed.read([channel], cursors[83] as typeof again, all))
    assert.equal(reads.length, 184)
  })

  it('forgets all of them when the channel grows, whatever became of those that came after', async () => {
    const cursor = oldest()
    await feed.read([channel], cursor, all)
    const { read } = log
    log.read = () => Promise.reject(new Error('away'))
    for (let n = 0; n < 20; n++) {
      await assert.rejects(async () => feed.read([channel], feed.cursorOf(`other-${n}`, ['news']), all))
    }
    log.read = read
    await channel.publish(2)
    const grown = await feed.read([channel], cursor, all)
    assert.equal(JSON.parse(String(grown.json)).messages.length, 2)
  })

  it('what comes after the channel has grown is kept for nobody', async () => {
    const cursor = oldest()
    const reading = feed.read([channel], cursor, all)
    await channel.publish(2)
    await reading
    const batch = await feed.read([channel], cursor, all)
    assert.equal(JSON.parse(String(batch.json)).messages.length, 2)
  })

  it('where the log refuses, the next one asks it again', async () => {
    const { read } = log
    log.read = () => Promise.reject(new Error('away'))
    const cursor = oldest()
    await assert.rejects(async () => feed.read([channel], cursor, all), { message: 'away' })
    log.read = read
    assert.equal((await feed.read([channel], cursor, all)).news, true)
  })
})
