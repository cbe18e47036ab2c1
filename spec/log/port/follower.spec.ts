import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import Koa from 'koa'
import { Channel } from '../../../src/index.js'
import type { After, Reading } from '../../../src/log/log.js'
import { MemoryLog } from '../../../src/log/memory.js'
import { LogOwner, type Port, PortLog, type PortLogOptions } from '../../../src/log/port/index.js'
import { turn, until } from '../../support/gate.js'
import { ManualClock } from '../../support/manual-clock.js'
import { type PortPair, portPair } from '../../support/port-pair.js'
import { serve } from '../../support/serve.js'

const wide = { messages: 10_000, bytes: 100_000_000, age: 3_600_000 }

/** A memory log that never says whether its bell is in force. */
class Unanswering extends MemoryLog {
  isAsked = false

  override tail(): Promise<() => void> {
    this.isAsked = true
    return new Promise(() => {})
  }
}

/** A memory log that counts what it is asked for. */
class Counted extends MemoryLog {
  reads = 0
  tails = 0
  underWay = 0
  most = 0
  answering: Promise<void> = Promise.resolve()

  override async read(channel: string, after: After, bytes?: number): Promise<Reading> {
    this.reads++
    this.most = Math.max(this.most, ++this.underWay)
    const reading = await super.read(channel, after, bytes)
    await this.answering
    this.underWay--
    return reading
  }
  override async tail(channel: string, ring: () => void): Promise<() => void> {
    this.tails++
    const stop = await super.tail(channel, ring)
    return () => {
      this.tails--
      stop()
    }
  }
}

describe('PortLog and LogOwner', () => {
  let kept: Counted
  let owner: LogOwner
  let pair: PortPair
  let open: PortLog[]
  beforeEach(() => {
    kept = new Counted()
    owner = new LogOwner(kept)
    pair = portPair()
    open = []
  })
  afterEach(async () => {
    for (const log of open) await log.close()
    owner.close()
    for (const end of pair.ends) assert.equal(end.listeners, 0, 'listens to a port that it has left')
  })

  const follow = (options: PortLogOptions = {}, port: Port = pair.ends[1]): PortLog => {
    const log = new PortLog(port, options)
    open.push(log)
    return log
  }
  const append = (log: PortLog | MemoryLog, data = '1') => log.append('a', { data }, wide)
  const keptData = async () => (await kept.read('a', 'oldest')).messages.map(({ data }) => data)

  it('it does not matter who begins', async () => {
    const early = follow()
    const appending = append(early, '"early"')
    await turn()
    assert.equal(early.state, 'greeting')
    owner.serve(pair.ends[0])
    await appending
    await append(follow(), '"late"')
    assert.deepEqual(await keptData(), ['"early"', '"late"'])
    assert.equal(early.state, 'open')
    assert.equal(owner.size, 2)
  })

  it('several followers on one port, and several logs by name, are told apart', async () => {
    const other = new LogOwner(new MemoryLog(), { name: 'other' })
    owner.serve(pair.ends[0])
    other.serve(pair.ends[0])
    const [one, two, elsewhere] = [follow(), follow(), follow({ name: 'other' })]
    await Promise.all([append(one), append(two), append(elsewhere)])
    assert.equal((await one.read('a', 'oldest')).messages.length, 2)
    assert.equal((await elsewhere.read('a', 'oldest')).messages.length, 1)
    assert.deepEqual([owner.size, other.size], [2, 1])
    other.close()
  })

  it('other messages on the port are left alone, and nobody minds them', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    const heard: unknown[] = []
    pair.ends[0].on('message', hear)
    function hear(message: unknown): void {
      heard.push(message)
    }
    for (const message of [5, 'text', null, [], {}, { from: 'me', words: 5 }]) pair.ends[1].postMessage(message)
    await append(log)
    assert.deepEqual(
      heard.filter((message) => !JSON.stringify(message).includes('koa-continuation')),
      [5, 'text', null, [], {}, { from: 'me', words: 5 }],
    )
    pair.ends[0].off('message', hear)
  })

  it('a follower that closes is forgotten, and its tails with it; the port stays open', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    await log.tail('a', () => {})
    await log.tail('b', () => {})
    assert.deepEqual([owner.size, kept.tails], [1, 2])
    await log.close()
    await until(() => owner.size === 0)
    await until(() => kept.tails === 0)
    await append(follow())
  })

  it('a follower whose port closes without a word is forgotten too', async () => {
    owner.serve(pair.ends[0])
    await follow().tail('a', () => {})
    pair.cut()
    await until(() => kept.tails === 0)
    assert.equal(owner.size, 0)
  })

  it('after the last bell of a channel the owner rings no more', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    const stops = await Promise.all([log.tail('a', () => {}), log.tail('a', () => {})])
    assert.equal(kept.tails, 1)
    for (const stop of stops) stop()
    await until(() => kept.tails === 0)
    let rings = 0
    await log.tail('a', () => rings++)
    await append(kept)
    await until(() => rings === 1)
  })

  it('nor after a last bell that was taken down while the port was cut for the second time', async () => {
    owner.serve(pair.ends[0])
    const log = follow({ wait: Number.POSITIVE_INFINITY })
    const stop = await log.tail('a', () => {})
    const unanswering = new Unanswering()
    const over = (host: LogOwner): void => {
      pair.cut()
      pair = portPair()
      host.serve(pair.ends[0])
      log.attach(pair.ends[1])
    }
    over(new LogOwner(unanswering))
    await until(() => unanswering.isAsked)
    pair.cut()
    stop()
    over(owner)
    await append(log)
    await append(log)
    assert.equal(kept.tails, 0)
  })

  it('calls after close() fail with ERR_LOG_CLOSED, and so do those that wait', async () => {
    const log = follow()
    const waiting = append(log)
    await log.close()
    await log.close()
    await assert.rejects(waiting, { code: 'ERR_LOG_CLOSED', status: 503, inDoubt: false })
    await assert.rejects(log.read('a', 'now'), { code: 'ERR_LOG_CLOSED' })
    await assert.rejects(
      log.tail('a', () => {}),
      { code: 'ERR_LOG_CLOSED' },
    )
    assert.throws(() => log.attach(pair.ends[1]), { code: 'ERR_LOG_CLOSED' })
  })

  it('when the owner ends, calls fail with ERR_LOG_AWAY at once; with another one they go on', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    await append(log)
    let rings = 0
    await log.tail('a', () => rings++)
    const { next } = await log.read('a', 'now')
    owner.close()
    await until(() => log.state === 'away')
    await assert.rejects(append(log), { code: 'ERR_LOG_AWAY', status: 503, inDoubt: false })
    await assert.rejects(log.read('a', 'now'), { code: 'ERR_LOG_AWAY' })
    await assert.rejects(
      log.tail('a', () => {}),
      { code: 'ERR_LOG_AWAY' },
    )

    const heir = new LogOwner(new MemoryLog())
    heir.serve(pair.ends[0])
    await until(() => rings === 1)
    assert.equal((await log.read('a', next)).gap, 'foreign')
    await append(log)
    await until(() => rings === 2)
    heir.close()
  })

  it('an owner that has forgotten a follower, by a restart on the same port, is told all again', async () => {
    const stop = owner.serve(pair.ends[0])
    const log = follow({ wait: Number.POSITIVE_INFINITY })
    let rings = 0
    await log.tail('a', () => rings++)
    pair.hold()
    stop()
    const appending = append(log)
    // its farewell is lost with it
    ;(pair.ends[1].waiting as unknown[]).length = 0
    new LogOwner(kept).serve(pair.ends[0])
    pair.release()
    await appending
    await until(() => rings >= 1)
    assert.deepEqual(await keptData(), ['1'])
    pair.cut()
  })

  it('what the log of the owner fails with, arrives', async () => {
    const broken = new LogOwner(
      new (class extends MemoryLog {
        override append(): Promise<never> {
          return Promise.reject(Object.assign(new RangeError('full'), { code: 'ERR_FULL', status: 507 }))
        }
        override tail(): Promise<never> {
          return Promise.reject('no reason')
        }
      })(),
    )
    broken.serve(pair.ends[0])
    const log = follow()
    await assert.rejects(append(log), { name: 'RangeError', message: 'full', code: 'ERR_FULL', status: 507 })
    await assert.rejects(
      log.tail('a', () => {}),
      { message: 'no reason' },
    )
    broken.close()
  })

  describe('a follower that is slow, or stands still', () => {
    it('has one ring of a channel on its way at most, and misses none', async () => {
      owner.serve(pair.ends[0])
      const log = follow()
      const seen: number[] = []
      let { next } = await log.read('a', 'now')
      const look = async (): Promise<void> => {
        const reading = await log.read('a', next)
        if (reading.messages[0]?.seq === seen.length + 1) {
          seen.push(...reading.messages.map(({ seq }) => seq))
          next = reading.next
        }
      }
      await log.tail('a', look)
      pair.hold()
      const before = pair.ends[1].waiting.length
      for (let count = 0; count < 1_000; count++) await append(kept)
      await turn()
      assert.equal(pair.ends[1].waiting.length - before, 1)
      pair.release()
      await until(() => seen.length === 1_000)
    })

    it('is told again when it has heard, if there was more meanwhile', async () => {
      owner.serve(pair.ends[0])
      const log = follow()
      let rings = 0
      await log.tail('a', () => rings++)
      pair.hold()
      await append(kept)
      await append(kept)
      pair.release()
      await until(() => rings === 2)
    })

    it('many requests that are held in it are woken by one read', async () => {
      owner.serve(pair.ends[0])
      const channel = new Channel('news', { log: follow() })
      const served = await serve(new Koa().use(channel.subscriber()))
      const asking = Array.from({ length: 300 }, () => served.get('/'))
      await until(() => channel.waiters.size === 300)
      kept.reads = 0
      await kept.append('news', { data: '"hello"' }, wide)
      for (const { body } of await Promise.all(asking)) assert.equal(JSON.parse(body).messages[0].data, 'hello')
      assert.ok(kept.reads <= 3, `${kept.reads} reads`)
      await channel.close()
      await served.close()
    })

    it('asks for 16 reads at once, and for the same only once', async () => {
      owner.serve(pair.ends[0])
      const log = follow()
      for (let count = 0; count < 200; count++) await append(kept)
      const { next } = await kept.read('a', 'now')
      kept.reads = 0
      let answer = (): void => {}
      kept.answering = new Promise((resolve) => {
        answer = resolve
      })
      const reads = Array.from({ length: 200 }, (_, seq) => log.read('a', { ...next, seq }))
      const same = Array.from({ length: 1_000 }, () => log.read('b', 'oldest'))
      await until(() => kept.underWay === 16)
      answer()
      const readings = await Promise.all(reads)
      await Promise.all(same)
      assert.equal(kept.most, 16)
      assert.equal(kept.reads, 201)
      assert.deepEqual(
        readings.map(({ messages }) => messages.length),
        Array.from({ length: 200 }, (_, seq) => 200 - seq),
      )
    })

    it('what was asked for before a message is not shared with who asks after it', async () => {
      owner.serve(pair.ends[0])
      const log = follow()
      const { next } = await log.read('a', 'now')
      let answer = (): void => {}
      kept.answering = new Promise((resolve) => {
        answer = resolve
      })
      const before = log.read('a', next)
      await until(() => kept.underWay === 1)
      await append(log)
      const after = log.read('a', next)
      answer()
      assert.equal((await before).messages.length, 0)
      assert.equal((await after).messages.length, 1)

      kept.answering = new Promise((resolve) => {
        answer = resolve
      })
      let rings = 0
      await log.tail('a', () => rings++)
      const stale = log.read('a', { ...next, seq: 1 })
      await until(() => kept.underWay === 1)
      await append(kept)
      await until(() => rings === 1)
      const fresh = log.read('a', { ...next, seq: 1 })
      answer()
      assert.equal((await stale).messages.length, 0)
      assert.equal((await fresh).messages.length, 1)
    })
  })

  describe('time', () => {
    let clock: ManualClock
    beforeEach(() => {
      clock = new ManualClock()
      owner = new LogOwner(kept, { clock, now: clock.now })
    })
    const follow = (options: PortLogOptions = {}): PortLog => {
      const log = new PortLog(pair.ends[1], { clock, now: clock.now, ...options })
      open.push(log)
      return log
    }

    it('an owner that never comes: ERR_LOG_TIMEOUT after `timeout`, which is 30 s', async () => {
      const failing = assert.rejects(append(follow()), { code: 'ERR_LOG_TIMEOUT', inDoubt: false, message: /no owner/ })
      assert.equal(clock.next, 30_000)
      clock.advance(30_000)
      await failing
      assert.equal(clock.timers, 0)
    })

    it('each call has its own time', async () => {
      const log = follow({ timeout: 100 })
      const outcomes: string[] = []
      for (const name of ['one', 'two']) {
        log.read(name, 'now').catch(() => outcomes.push(name))
        clock.advance(60)
      }
      await turn()
      assert.deepEqual(outcomes, ['one'])
      clock.advance(40)
      await turn()
      assert.deepEqual(outcomes, ['one', 'two'])
    })

    it('0 and Infinity: it waits for ever', async () => {
      for (const timeout of [0, Number.POSITIVE_INFINITY]) {
        const log = follow({ timeout })
        const appending = append(log)
        assert.equal(clock.timers, 0)
        const stop = owner.serve(pair.ends[0])
        await appending
        stop()
      }
    })

    it('an append that has failed by its time is not done later', async () => {
      owner.serve(pair.ends[0])
      const log = follow({ timeout: 5_000 })
      await append(log, '"in time"')
      pair.hold()
      const failing = assert.rejects(append(log, '"too late"'), { code: 'ERR_LOG_TIMEOUT', inDoubt: true })
      await turn()
      clock.advance(5_000)
      await failing
      pair.release()
      // and the follower may try again
      await append(log, '"again"')
      assert.deepEqual(await keptData(), ['"in time"', '"again"'])
    })

    it('nor is it begun in the last second, which is for the answer', async () => {
      owner.serve(pair.ends[0])
      const log = follow({ timeout: 5_000 })
      await log.read('a', 'now')
      for (const [ms, outcome] of [
        [3_999, 'kept'],
        [4_001, 'ERR_LOG_TIMEOUT'],
      ] as const) {
        pair.hold()
        const appending = append(log).then(
          () => 'kept',
          ({ code, inDoubt }) => {
            assert.equal(inDoubt, false)
            return code
          },
        )
        await turn()
        clock.advance(ms)
        pair.release()
        assert.equal(await appending, outcome)
      }
      assert.equal((await keptData()).length, 1)
    })

    it('what another owner may have done is in doubt, even where this one has not', async () => {
      owner.serve(pair.ends[0])
      const log = follow({ timeout: 5_000, wait: 5_000 })
      await log.read('a', 'now')
      pair.hold()
      const appending = append(log)
      await turn()
      pair.cut()
      pair = portPair()
      const heir = new LogOwner(new MemoryLog(), { clock, now: () => clock.now() + 60_000 })
      heir.serve(pair.ends[0])
      log.attach(pair.ends[1])
      await assert.rejects(appending, { code: 'ERR_LOG_TIMEOUT', inDoubt: true })
      heir.close()
    })

    it('who stood still itself reads first what came meanwhile', async () => {
      let slept = 0
      const { setTimeout, clearTimeout, nextTurn, afterJobs } = clock
      const waking = { setTimeout, clearTimeout, nextTurn, afterJobs, now: () => clock.now() + slept }
      owner.serve(pair.ends[0])
      const log = follow({ timeout: 5_000, clock: waking })
      const appending = append(log)
      slept = 60_000
      clock.advance(5_000)
      await appending
      pair.hold()
      const failing = assert.rejects(append(log), { code: 'ERR_LOG_TIMEOUT' })
      slept += 60_000
      clock.advance(5_000)
      clock.advance(1_000)
      await failing
    })

    it('calls wait for another port as long as `wait` says', async () => {
      owner.serve(pair.ends[0])
      const log = follow({ wait: 2_000 })
      await append(log)
      pair.cut()
      assert.equal(log.state, 'away')
      const failing = assert.rejects(append(log), { code: 'ERR_LOG_AWAY', inDoubt: false })
      clock.advance(2_000)
      await failing
      const appending = append(log, '2')
      clock.advance(1_999)
      pair = portPair()
      owner.serve(pair.ends[0])
      log.attach(pair.ends[1])
      await appending
      assert.deepEqual(await keptData(), ['1', '2'])
    })

    it('calls that wait when the port closes, wait from then on', async () => {
      owner.serve(pair.ends[0])
      const log = follow({ wait: 2_000 })
      await append(log)
      pair.hold()
      const failing = assert.rejects(append(log), { code: 'ERR_LOG_AWAY', inDoubt: true })
      await turn()
      clock.advance(20_000)
      pair.cut()
      assert.equal(clock.next, 2_000)
      clock.advance(1_999)
      await turn()
      assert.equal(inspect(log), 'PortLog { "log", away, 1 calls wait }')
      clock.advance(1)
      await failing
    })

    it('a tail that could not be begun again is tried until it can', async () => {
      const log = follow()
      let rings = 0
      owner.serve(pair.ends[0])
      await log.tail('a', () => rings++)
      owner.close()
      let refusals = 2
      const heir = new LogOwner(
        new (class extends MemoryLog {
          override tail(channel: string, ring: () => void): Promise<() => void> {
            if (refusals-- > 0) return Promise.reject(new Error('not yet'))
            return super.tail(channel, ring)
          }
        })(),
        { clock },
      )
      heir.serve(pair.ends[0])
      for (const left of [1, 0]) {
        await until(() => refusals === left && clock.next === 1_000)
        assert.equal(rings, 0)
        clock.advance(1_000)
      }
      await until(() => rings === 1)
      heir.close()
    })

    it('and no more once the log is closed', async () => {
      const log = follow({ wait: 2_000 })
      owner.serve(pair.ends[0])
      await log.tail('a', () => {})
      pair.cut()
      pair = portPair()
      const unanswering = new Unanswering()
      const silent = new LogOwner(unanswering, { clock })
      silent.serve(pair.ends[0])
      log.attach(pair.ends[1])
      await until(() => unanswering.isAsked)
      await log.close()
      await turn()
      assert.equal(clock.timers, 0)
      silent.close()
    })
  })

  it('who waits for a message goes on waiting when the owner ends, and has it from another one', async () => {
    const stop = owner.serve(pair.ends[0])
    const channel = new Channel('news', { log: follow() })
    const served = await serve(new Koa().use(channel.subscriber()))
    const asking = served.get('/?cursor=0')
    await until(() => channel.waiters.size === 1)
    stop()
    await until(() => [...open].every(({ state }) => state === 'away'))
    const refused = await served.get('/')
    assert.equal(refused.status, 503)
    assert.match(refused.headers['retry-after'] ?? '', /^[1-5]$/)
    assert.equal(served.errors.length, 1)
    assert.equal(channel.waiters.size, 1)
    await kept.append('news', { data: '"hello"' }, wide)
    owner.serve(pair.ends[0])
    assert.equal(JSON.parse((await asking).body).messages[0].data, 'hello')
    await channel.close()
    await served.close()
  })

  it('the owner forgets the results that have arrived, and those of followers that have none', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    for (let count = 0; count < 100; count++) await append(log)
    assert.equal(inspect(owner), 'LogOwner { "log", 1 followers, 1 results they have not heard of }')
    await log.read('a', 'now')
    assert.equal(inspect(owner), 'LogOwner { "log", 1 followers, 0 results they have not heard of }')
    await append(log)
    await log.close()
    await until(() => owner.size === 0)
    assert.equal(inspect(owner), 'LogOwner { "log", 0 followers, 0 results they have not heard of }')
  })

  it('and keeps those of 1 000 that have left without a word', async () => {
    for (let count = 0; count < 1_010; count++) {
      const own = portPair()
      owner.serve(own.ends[0])
      const log = new PortLog(own.ends[1])
      await append(log)
      own.cut()
    }
    for (let count = 0; count < 1_010; count++) {
      const own = portPair()
      owner.serve(own.ends[0])
      const log = new PortLog(own.ends[1])
      await log.read('a', 'now', 1)
      own.cut()
    }
    assert.equal(inspect(owner), 'LogOwner { "log", 0 followers, 1000 results they have not heard of }')
  })

  it('a follower that has gone on over another port is still there when the first one closes', async () => {
    owner.serve(pair.ends[0])
    const log = follow()
    let rings = 0
    await log.tail('a', () => rings++)
    const first = pair
    // its farewell does not arrive
    first.hold()
    pair = portPair()
    owner.serve(pair.ends[0])
    log.attach(pair.ends[1])
    await append(log)
    await until(() => rings > 0)
    first.cut()
    assert.equal(owner.size, 1)
    assert.equal(first.ends[1].listeners, 0)
    const before = rings
    await append(kept)
    await until(() => rings > before)
  })

  it('a MessagePort of a channel: its close is seen at both ends', async () => {
    const { port1, port2 } = new MessageChannel()
    owner.serve(port1)
    const log = follow({}, port2)
    let rings = 0
    await log.tail('a', () => rings++)
    await append(kept)
    await until(() => rings === 1)
    port1.close()
    await until(() => log.state === 'away')
    assert.equal(owner.size, 0)
  })

  it('what is wrong: ERR_INVALID_OPTION', () => {
    const wrong: [unknown, object?][] = [
      [null],
      [undefined],
      [{}],
      [{ postMessage() {} }],
      [Object.assign(Object.create(process), { send: undefined })],
      [pair.ends[1], { name: 5 }],
      [pair.ends[1], { timeout: -1 }],
      [pair.ends[1], { timeout: '5' }],
      [pair.ends[1], { wait: Number.NaN }],
      [pair.ends[1], { now: 5 }],
      [pair.ends[1], { clock: {} }],
      [pair.ends[1], { waits: 5 }],
    ]
    for (const [port, options] of wrong) {
      assert.throws(() => new PortLog(port as MessagePort, options), { code: 'ERR_INVALID_OPTION' })
    }
    assert.throws(() => new LogOwner({} as MemoryLog), { code: 'ERR_INVALID_OPTION' })
    assert.throws(() => new LogOwner(kept, { clock: {} } as object), { code: 'ERR_INVALID_OPTION' })
    assert.throws(() => new LogOwner(kept, { timeout: 5 } as object), { code: 'ERR_INVALID_OPTION' })
    assert.throws(() => owner.serve({} as MessagePort), { code: 'ERR_INVALID_OPTION' })
  })
})
