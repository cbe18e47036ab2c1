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

  it('tells apart what was there before', async () => {
    const log = new MemoryLog()
    for (const data of ['1', '2']) await log.append('a', { data }, backlog)
    const heard: string[] = []
    const follower = new Follower(log, 'a', new ManualClock(), {
      before: ({ data }) => heard.push(`before: ${data}`),
      heard: ({ data }) => heard.push(data),
      read: () => {},
      trouble: assert.fail,
    })
    await follower.begin()
    await log.append('a', { data: '3' }, backlog)
    await until(() => heard.length === 3)
    follower.end()
    assert.deepEqual(heard, ['before: 1', 'before: 2', '3'])
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
    deeds.read(at(5), 'trimmed')
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
    deeds.read(at(2, 'another'), 'foreign')
    assert.equal(await here, 1)
  })

  it('waits where it is still to come', () => {
    const { done, deeds } = own()
    void deeds.expect(1, deed, undefined)
    deeds.appended(1, at(8))
    deeds.read(at(7), 'trimmed')
    deeds.read(at(9), undefined)
    assert.deepEqual([done.length, deeds.size], [0, 1])
  })

  it('is done when the log has lost it with its end, whichever is known first', async () => {
    const { deeds } = own()
    const [one, other] = [deeds.expect(1, deed, undefined), deeds.expect(2, deed, undefined)]
    deeds.appended(1, at(8))
    deeds.read(at(5), 'future')
    deeds.appended(2, at(9))
    assert.deepEqual(await Promise.all([one, other]), [1, 2])
  })

  it('waits for its turn where the log, which has lost its end, gives it a number that was read before', () => {
    const { done, deeds } = own()
    deeds.read(at(5), 'trimmed')
    deeds.read(at(9), undefined)
    void deeds.expect(1, deed, undefined)
    deeds.appended(1, at(3))
    assert.deepEqual([done.length, deeds.size], [0, 1])
  })
})
