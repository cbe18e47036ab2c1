import assert from 'node:assert/strict'
import type { Backlog, Log } from '../../src/log/log.js'
import { MemoryLog } from '../../src/log/memory.js'
import { LogOwner, PortLog } from '../../src/log/port/index.js'
import { RedisLog } from '../../src/log/redis/index.js'
import { until } from '../support/gate.js'
import { portPair } from '../support/port-pair.js'
import { noRedis, type RedisServer, redisServer } from '../support/redis-server.js'

const wide: Backlog = { messages: 100, bytes: 1_000_000, age: 3_600_000 }

describe('a bell that throws', () => {
  const told: unknown[] = []
  const { emitWarning } = process
  beforeEach(() => {
    told.length = 0
    process.emitWarning = (warning: unknown) => void told.push(warning)
  })
  afterEach(() => {
    process.emitWarning = emitWarning
  })

  /** The message is appended, the other bells ring, and it goes on. */
  async function stopsNothing(log: Log): Promise<void> {
    const errors = [new Error('the first'), new Error('the second')]
    const thrown: unknown[] = []
    let rings = 0
    const stops = [
      await log.tail('a', () => {
        const error = errors[thrown.length] ?? 'no error'
        thrown.push(error)
        throw error
      }),
      await log.tail('a', () => rings++),
    ]
    for (const seq of [1, 2, 3]) {
      assert.equal((await log.append('a', { data: '1' }, wide)).seq, seq)
      await until(() => rings === seq)
    }
    assert.deepEqual(told, [...errors, 'no error'])
    for (const stop of stops) stop()
  }

  it('is told as a warning, and stops nothing: MemoryLog', () => stopsNothing(new MemoryLog()))

  it('is told as a warning, and stops nothing: PortLog', async () => {
    const { ends } = portPair()
    const owner = new LogOwner(new MemoryLog())
    owner.serve(ends[0])
    const log = new PortLog(ends[1])
    await stopsNothing(log)
    await log.close()
    owner.close()
  })

  describe(`RedisLog${noRedis}`, () => {
    let server: RedisServer
    before(async function () {
      if (noRedis !== '') this.skip()
      server = await redisServer('--appendfsync', 'no')
    })
    after(() => server?.close())

    it('is told as a warning, and stops nothing', async () => {
      const log = new RedisLog({ url: server.url })
      await stopsNothing(log)
      await log.close()
    })
  })
})
