import assert from 'node:assert/strict'
import { Feed } from '../../src/channel/feed.js'
import { Channel } from '../../src/index.js'
import { MemoryLog } from '../../src/log/memory.js'
import { gate } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

describe('Feed', () => {
  let channel: Channel
  let feed: Feed
  let log: MemoryLog
  let clock: ManualClock
  beforeEach(async () => {
    clock = new ManualClock()
    log = new MemoryLog({ epoch: () => 'e', now: clock.now })
    channel = new Channel('news', { log, now: clock.now })
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
    const named = new Feed(true, { now: clock.now, backlog: { messages: 1, bytes: 1, age: 1 } })
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

  describe('of a backlog with an age', () => {
    let reads: number
    beforeEach(() => {
      reads = 0
      const { read } = log
      log.read = (...asked) => {
        reads++
        return read.apply(log, asked)
      }
    })
    const ofAge = async (age: number): Promise<void> => {
      channel = new Channel('of age', { log, now: clock.now, backlog: { age } })
      feed = channel.feed(false)
      await channel.publish(1)
    }
    const count = async (text: string): Promise<number> => {
      const batch = await feed.read([channel], feed.cursorOf(text, ['of age']), all)
      return JSON.parse(String(batch.json)).messages.length
    }

    for (const [age, late] of [
      [300, 3],
      [3_600_000, 1_000],
    ] as const) {
      it(`a message that is ${age} ms old is given for ${late} ms more at most, by whatever cursor`, async () => {
        await ofAge(age)
        clock.advance(age - 1)
        assert.deepEqual([await count('0'), await count('e-0')], [1, 1])
        clock.advance(late)
        for (const [text, gap] of [
          ['0', false],
          ['e-0', true],
        ] as const) {
          const batch = await feed.read([channel], feed.cursorOf(text, ['of age']), all)
          assert.deepEqual([batch.gap, JSON.parse(String(batch.json)).messages], [gap, []], text)
        }
      })
    }

    it('the log is asked once in that time where there are messages, and not again where there are none', async () => {
      await ofAge(3_600_000)
      for (let times = 0; times < 10; times++) {
        assert.equal(await count('0'), 1)
        clock.advance(99)
      }
      assert.equal(reads, 1)
      clock.advance(10)
      await Promise.all([count('0'), count('0')])
      assert.equal(reads, 2)
      const atTheEnd = feed.cursorOf('e-1', ['of age'])
      await feed.read([channel], atTheEnd, all)
      assert.equal(reads, 3)
      clock.advance(3_599_999)
      assert.ok(!(feed.read([channel], atTheEnd, all) instanceof Promise))
      assert.equal(reads, 3)
    })

    it('without an end to the age it is asked once', async () => {
      await ofAge(Number.POSITIVE_INFINITY)
      await count('0')
      clock.advance(1e12)
      assert.deepEqual([await count('0'), reads], [1, 1])
    })

    it('a reading that takes longer is shared all the same', async () => {
      await ofAge(300)
      const through = gate()
      const { read } = log
      log.read = async (...asked) => {
        const reading = read.apply(log, asked)
        await through
        return reading
      }
      const counts = [count('0')]
      clock.advance(100)
      counts.push(count('0'))
      through.open()
      assert.deepEqual([await Promise.all(counts), reads], [[1, 1], 1])
    })
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
