import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { LogError } from '../../../src/log/errors.js'
import type { Backlog, Position } from '../../../src/log/log.js'
import { RedisLog, type RedisLogOptions } from '../../../src/log/redis/index.js'
import { cuts } from '../../soak/redis-cuts.js'
import { type CuttingProxy, cuttingProxy } from '../../support/cutting-proxy.js'
import { turn, until } from '../../support/gate.js'
import { ManualClock } from '../../support/manual-clock.js'
import { noRedis, type RedisServer, redisServer } from '../../support/redis-server.js'

const wide: Backlog = { messages: 100_000, bytes: 100_000_000, age: 3_600_000 }

describe(`RedisLog while Redis is away${noRedis}`, () => {
  let server: RedisServer
  const others: RedisLog[] = []

  before(async function () {
    if (noRedis !== '') this.skip()
    server = await redisServer()
  })
  after(() => server?.close())
  beforeEach(async () => {
    await server.start()
    await server.ask('FLUSHALL')
  })
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close()
    await server.stop('SIGKILL')
  })

  const open = (options: RedisLogOptions = {}): RedisLog => {
    const opened = new RedisLog({ url: server.url, retry: () => 5, ...options })
    others.push(opened)
    return opened
  }
  const append = (log: RedisLog, n: number): Promise<Position> => log.append('a', { data: String(n) }, wide)
  const data = async (log: RedisLog): Promise<string> =>
    (await log.read('a', 'oldest')).messages.map(({ data }) => data).join()
  const refusal = (calling: Promise<unknown>): Promise<string> =>
    calling.then(
      () => 'done',
      ({ code, status, inDoubt }: LogError) => `${code} ${status}${inDoubt ? ', in doubt' : ''}`,
    )

  it('wait: 0: every call fails at once, and a later one goes on', async () => {
    const log = open({ wait: 0 })
    // the first calls wait for nothing either
    assert.equal(await refusal(append(log, 0)), 'ERR_LOG_AWAY 503')
    await log.ready()
    assert.equal(log.state, 'open')
    await append(log, 1)
    await server.stop()
    await until(() => log.state === 'away')
    for (const calling of [append(log, 2), log.read('a', 'oldest'), log.tail('a', () => {}), log.ready()]) {
      assert.equal(await refusal(calling as Promise<unknown>), 'ERR_LOG_AWAY 503')
    }
    await server.start()
    await until(() => log.state === 'open')
    await append(log, 3)
    assert.equal(await data(log), '1,3')
  })

  it('calls wait, in order, and are done when it is back', async () => {
    const log = open()
    await append(log, 0)
    await server.stop()
    const appending = [1, 2, 3].map((n) => append(log, n))
    const reading = log.read('a', 'oldest')
    const tailing = log.tail('a', () => {})
    await until(() => log.state === 'away')
    appending.push(append(log, 4))
    assert.equal(log.statistics.waiting, 4)
    await server.start()
    assert.deepEqual(
      (await Promise.all(appending)).map(({ seq }) => seq),
      [2, 3, 4, 5],
    )
    await reading
    await tailing
    assert.equal(await data(log), '0,1,2,3,4')
    assert.equal(log.statistics.waiting, 0)
  })

  it('calls wait for just so long, each from its own beginning', async () => {
    const clock = new ManualClock()
    const log = open({ url: 'unix:///nowhere/redis.sock', clock, wait: 5_000 })
    const settled: string[] = []
    const watch = (name: string, calling: Promise<unknown>) =>
      void refusal(calling).then((how) => settled.push(`${name} ${how}`))
    watch('first', append(log, 1))
    watch('read', log.read('a', 'oldest'))
    clock.advance(4_000)
    watch('second', append(log, 2))
    clock.advance(999)
    await turn()
    assert.deepEqual(settled, [])
    clock.advance(1)
    await until(() => settled.length === 2)
    assert.deepEqual(settled.splice(0), ['first ERR_LOG_AWAY 503', 'read ERR_LOG_AWAY 503'])
    clock.advance(3_999)
    await turn()
    assert.deepEqual(settled, [])
    clock.advance(1)
    await until(() => settled.length === 1)
    assert.deepEqual(settled, ['second ERR_LOG_AWAY 503'])
    assert.equal(log.statistics.waiting, 0)
  })

  it('ready() waits for one attempt, and says what came of it', async () => {
    const nowhere = open({ url: 'unix:///nowhere/redis.sock', wait: 0, retry: () => 60_000 })
    assert.equal(await refusal(nowhere.ready()), 'ERR_LOG_AWAY 503')
    assert.equal(nowhere.statistics.troubles, 1)
    assert.equal(await refusal(nowhere.ready()), 'ERR_LOG_AWAY 503')
  })

  it('says why it is away', async () => {
    const log = open({ url: 'unix:///nowhere/redis.sock', wait: 50 })
    await assert.rejects(log.ready(), (error: LogError) => {
      assert.match(error.message, /^Redis is away, for longer than 50 ms/)
      assert.equal((error.cause as { code?: string }).code, 'ENOENT')
      return true
    })
  })

  it('an append that was sent, and whose answer does not come, is in doubt; one that was not sent is not', async () => {
    const clock = new ManualClock()
    const log = open({ clock, wait: 1_000, timeout: 2_000 })
    await append(log, 0)
    process.kill(server.pid, 'SIGSTOP')
    const sent = refusal(append(log, 1))
    await turn()
    const behind = refusal(append(log, 2))
    clock.advance(2_000)
    assert.deepEqual(await Promise.all([sent, behind]), ['ERR_LOG_TIMEOUT 503, in doubt', 'ERR_LOG_TIMEOUT 503'])
    process.kill(server.pid, 'SIGCONT')
    await append(log, 3)
    assert.equal(await data(log), '0,1,3')
  })

  it('so many messages may wait, and no more', async () => {
    const log = open({ queue: 2, wait: Number.POSITIVE_INFINITY })
    await server.stop()
    const waiting = [append(log, 1), append(log, 2)]
    assert.equal(await refusal(append(log, 3)), 'ERR_LOG_FULL 503')
    await server.start()
    await Promise.all(waiting)
    await append(log, 4)
    assert.equal(await data(log), '1,2,4')
  })

  it('close() ends what waits, and what is called later', async () => {
    const log = open()
    await append(log, 0)
    await server.stop()
    await until(() => log.state === 'away')
    const waiting = [append(log, 1), log.read('a', 'oldest'), log.tail('a', () => {}), log.ready()].map(
      refusal as never,
    )
    await log.close()
    await log.close()
    for (const how of [...(await Promise.all(waiting)), await refusal(append(log, 2)), await refusal(log.ready())]) {
      assert.equal(how, 'ERR_LOG_CLOSED 503')
    }
    const early = open()
    const calling = refusal(early.ready())
    await early.close()
    assert.equal(await calling, 'ERR_LOG_CLOSED 503')
  })

  it('troubles are told and counted beside the messages, and what is thrown there stops nothing', async () => {
    const told: Error[] = []
    const log = open({
      onTrouble: (error) => {
        told.push(error)
        throw new Error('in onTrouble')
      },
    })
    await log.tail('a', () => {})
    assert.deepEqual([log.statistics.troubles, log.statistics.lastTrouble], [0, undefined])
    await server.stop()
    await until(() => told.length > 3)
    await server.start()
    await append(log, 1)
    assert.equal(log.statistics.troubles, told.length)
    assert.equal(log.statistics.lastTrouble, told.at(-1))
  })

  it('rings for what was appended meanwhile, as soon as it is back', async () => {
    const log = open()
    const other = open({ wait: Number.POSITIVE_INFINITY })
    await append(other, 1)
    const { next } = await log.read('a', 'now')
    let rings = 0
    await log.tail('a', () => rings++)
    for (let n = 2; n < 6; n++) {
      const before = rings
      await server.stop('SIGKILL')
      const appending = append(other, n)
      await until(() => log.state === 'away' && other.state === 'away')
      await server.start()
      await appending
      await until(() => rings > before)
    }
    const { messages, gap } = await log.read('a', next)
    assert.deepEqual([messages.map(({ data }) => data).join(), gap], ['2,3,4,5', undefined])
  })

  it('a server that became a replica: calls wait until there is one that takes them', async () => {
    const log = open({ wait: Number.POSITIVE_INFINITY })
    await append(log, 1)
    await server.ask('REPLICAOF', '127.0.0.1', '1')
    const appending = append(log, 2)
    await until(() => log.statistics.troubles > 2)
    await server.ask('REPLICAOF', 'NO', 'ONE')
    await appending
    assert.equal(await data(log), '1,2')
  })

  it('a server that stays a replica takes connections, and is away all the same: calls wait for just so long', async () => {
    const clock = new ManualClock()
    const log = open({ clock, wait: 1_000, retry: () => 100 })
    await append(log, 1)
    clock.advance(60_000)
    await server.ask('REPLICAOF', '127.0.0.1', '1')
    let how: string | undefined
    refusal(append(log, 2)).then((refused) => {
      how = refused
    })
    for (let attempt = 1; attempt <= 10; attempt++) {
      await until(() => log.statistics.troubles === attempt && log.state === 'away')
      assert.equal(how, undefined)
      clock.advance(100)
    }
    await until(() => how !== undefined)
    assert.equal(how, 'ERR_LOG_AWAY 503, in doubt')
    await server.ask('REPLICAOF', 'NO', 'ONE')
    await until(() => log.state === 'open')
    await append(log, 3)
    assert.equal(await data(log), '1,3')
  })

  describe('started again', () => {
    const folder = (): string => dirname(server.path)
    const kept = (): string => join(folder(), 'kept')
    const disk = (): string => join(folder(), 'appendonlydir')
    const keep = (): void => cpSync(disk(), kept(), { recursive: true })
    const restore = (): void => {
      rmSync(disk(), { recursive: true })
      cpSync(kept(), disk(), { recursive: true })
    }

    it('with all it had: every position is as good as before', async () => {
      const log = open()
      const positions = [await append(log, 1), await append(log, 2)]
      for (let start = 3; start < 7; start++) {
        await server.stop('SIGKILL')
        await server.start()
        await until(() => log.state === 'away')
        positions.push(await append(log, start))
      }
      assert.ok(new Set(positions.map(({ epoch }) => epoch)).size > 3)
      for (const [place, position] of positions.entries()) {
        const { messages, gap, next } = await log.read('a', position)
        assert.deepEqual([messages.length, gap, next], [positions.length - place - 1, undefined, positions.at(-1)])
      }
    })

    it('without its newest messages: a gap for those who have seen them, even when there are as many again', async () => {
      const log = open()
      const other = open()
      const before = [await append(log, 1), await append(log, 2)]
      keep()
      const lost = [await append(log, 3), await append(log, 4)]
      const gaps: (string | undefined)[] = []
      let next = lost[1] as Position
      let reading = Promise.resolve()
      await other.tail('a', () => {
        reading = reading.then(async () => {
          const read = await other.read('a', next)
          gaps.push(read.gap)
          next = read.next
        })
      })
      await server.stop()
      restore()
      await server.start()
      await until(() => log.state === 'away')
      for (const position of lost) assert.equal((await log.read('a', position)).gap, 'future')
      for (let n = 5; n < 9; n++) await append(log, n)
      for (const position of lost) {
        const { messages, gap } = await log.read('a', position)
        assert.deepEqual([messages.map(({ data }) => data).join(), gap !== undefined], ['1,2,5,6,7,8', true])
      }
      for (const position of before) assert.equal((await log.read('a', position)).gap, undefined)
      await until(() => next.seq === 6)
      await reading
      assert.equal(gaps.filter((gap) => gap !== undefined).length, 1)
    })

    it('empty: a gap, and all there is', async () => {
      const log = open({ wait: Number.POSITIVE_INFINITY })
      const last = await append(log, 1)
      await server.stop()
      server.empty()
      const appending = append(log, 2)
      await server.start()
      assert.equal((await appending).seq, 1)
      const { messages, gap } = await log.read('a', last)
      assert.deepEqual([messages.map(({ data }) => data), gap], [['2'], 'foreign'])
    })
  })

  describe('cut', () => {
    let proxy: CuttingProxy
    beforeEach(async () => {
      proxy = await cuttingProxy(server.path)
    })
    afterEach(() => proxy.close())

    it('at every step of a publish, of a read, of a ring and of the connecting: nothing is lost or doubled', async () => {
      const { cuts: count, wrong, misread, misheard } = await cuts(23)
      assert.deepEqual([wrong, misread, misheard], [0, 0, 0])
      assert.ok(count > 40, `${count} cuts`)
    })

    it('where nobody waits: an append is in doubt from when it was sent', async () => {
      const log = open({ url: proxy.url, wait: 0, retry: () => 0 })
      await log.ready().catch(() => {})
      const seen = new Set<string>()
      let n = 0
      for (const [direction, after] of [
        ['asked', 0],
        ['asked', 100],
        ['answered', 0],
        ['answered', 5],
        ['answered', 10_000],
      ] as const) {
        await until(() => log.state === 'open')
        proxy.arm('commands', direction, after)
        const how = await refusal(append(log, ++n))
        proxy.disarm()
        await until(() => log.state === 'open')
        seen.add(`${how}: ${(await data(log)).split(',').includes(String(n))}`)
      }
      assert.deepEqual([...seen].sort(), [
        'ERR_LOG_AWAY 503, in doubt: false',
        'ERR_LOG_AWAY 503, in doubt: true',
        'done: true',
      ])
    })
  })
})
