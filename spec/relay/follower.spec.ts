import assert from 'node:assert/strict'
import { MemoryLog } from '../../src/index.js'
import type { Log } from '../../src/log/log.js'
import { Follower } from '../../src/relay/follower.js'
import { OwnDeeds } from '../../src/relay/own-deeds.js'
import { gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

const backlog = { messages: 9, bytes: 900, age: 9_000 }

/** Counts its tails; what it has read it gives when the gate opens. */
class Slow extends MemoryLog {
  tails = 0
  given = gate()
  readings = 0

  override async tail(...args: Parameters<Log['tail']>) {
    this.tails++
    const stop = await super.tail(...args)
    return () => {
      this.tails--
      stop()
    }
  }
  override async read(...args: Parameters<Log['read']>) {
    const reading = await super.read(...args)
    this.readings++
    await this.given
    return reading
  }
}

describe('what follows a channel from now on', () => {
  const follow = (log: Log): { follower: Follower; heard: string[] } => {
    const heard: string[] = []
    const hearing = { heard: ({ data }: { data: string }) => heard.push(data), read: () => {}, trouble: assert.fail }
    return { follower: new Follower(log, 'a', new ManualClock(), hearing), heard }
  }

  it('hears what is appended while it begins', async () => {
    const log = new Slow()
    const { follower, heard } = follow(log)
    const begun = follower.begin()
    await until(() => log.readings === 1)
    await log.append('a', { data: '1' }, backlog)
    log.given.open()
    await begun
    await until(() => heard.length === 1)
    follower.end()
    assert.equal(log.tails, 0)
  })

  it('begins once', async () => {
    const log = new Slow()
    log.given.open()
    const { follower } = follow(log)
    await Promise.all([follower.begin(), follower.begin()])
    await follower.begin()
    assert.equal(log.tails, 1)
    follower.end()
    assert.equal(log.tails, 0)
  })

  it('ended while it begins, it leaves no bell', async () => {
    const log = new Slow()
    const { follower, heard } = follow(log)
    const begun = follower.begin()
    await until(() => log.readings === 1)
    follower.end()
    log.given.open()
    await begun
    await log.append('a', { data: '1' }, backlog)
    assert.deepEqual([log.tails, heard], [0, []])
  })
})

describe('what a process has relayed itself', () => {
  const deed = { do: 'broadcast' } as const
  const at = (seq: number, epoch = 'e') => ({ epoch, seq })
  const own = () => {
    const done: object[] = []
    return { done, deeds: new OwnDeeds((_n, deed) => done.push(deed)) }
  }

  it('is done when it turns out that the log has passed it by already', async () => {
    const { done, deeds } = own()
    const here = deeds.expect(1, deed, undefined)
    deeds.read(at(5), true)
    assert.deepEqual(done, [])
    deeds.appended(1, at(3))
    assert.equal(await here, 1)
    deeds.appended(1, at(3))
    assert.equal(done.length, 1)
  })

  it('is done when the log that had it has begun anew', async () => {
    const { deeds } = own()
    const here = deeds.expect(1, deed, undefined)
    deeds.appended(1, at(8))
    deeds.read(at(2, 'another'), true)
    assert.equal(await here, 1)
  })

  it('waits where it is still to come', () => {
    const { done, deeds } = own()
    void deeds.expect(1, deed, undefined)
    deeds.appended(1, at(8))
    deeds.read(at(7), true)
    deeds.read(at(9), false)
    assert.deepEqual([done.length, deeds.size], [0, 1])
  })
})
