import assert from 'node:assert/strict'
import type { LogError } from '../../../src/log/errors.js'
import type { Position } from '../../../src/log/log.js'
import { MemoryLog } from '../../../src/log/memory.js'
import { LogOwner, PortLog } from '../../../src/log/port/index.js'
import { turn, until } from '../../support/gate.js'
import { type PortPair, portPair } from '../../support/port-pair.js'

const wide = { messages: 100, bytes: 100_000, age: 3_600_000 }
const append = (log: PortLog | MemoryLog, n: number): Promise<Position> => log.append('a', { data: String(n) }, wide)

/** Writes, reads and hears, over a port that is cut after so many messages and replaced, as often as there are numbers. */
async function everything(cutsAfter: readonly number[]): Promise<{ heard: number[]; messages: number }> {
  const kept = new MemoryLog()
  const owner = new LogOwner(kept)
  const pairs: PortPair[] = []
  const connect = (): PortPair['ends'][1] => {
    const pair = portPair(cutsAfter[pairs.length])
    pairs.push(pair)
    owner.serve(pair.ends[0])
    pair.ends[1].on('close', async () => {
      await turn()
      if (follower.state !== 'closed') follower.attach(connect())
    })
    return pair.ends[1]
  }
  const follower: PortLog = new PortLog(connect(), { wait: Number.POSITIVE_INFINITY })

  let rings = 0
  const stop = await follower.tail('a', () => rings++)
  let { next } = await follower.read('a', 'now')
  const heard: number[] = []
  const hearing = (async () => {
    for (let looked = -1; heard.length < 6; ) {
      await until(() => rings > looked)
      looked = rings
      const { messages, next: further, gap } = await follower.read('a', next)
      assert.equal(gap, undefined)
      heard.push(...messages.map(({ data }) => Number(data)))
      next = further
    }
  })()
  const positions = [await append(follower, 1)]
  positions.push(...(await Promise.all([2, 3].map((n) => append(follower, n)))))
  await append(kept, 4)
  positions.push(await append(follower, 5))
  assert.deepEqual(
    positions.map(({ seq }) => seq),
    [1, 2, 3, 5],
  )
  // of the last one nothing tells but the ring
  await until(() => heard.length === 5)
  await append(kept, 6)
  await hearing
  stop()
  assert.deepEqual(
    (await kept.read('a', 'oldest')).messages.map(({ data }) => data),
    ['1', '2', '3', '4', '5', '6'],
  )
  await follower.close()
  await until(() => owner.size === 0)
  owner.close()
  return { heard, messages: pairs.at(-1)?.delivered ?? 0 }
}

describe('a port that is cut, and replaced', () => {
  it('at every step of a tail, an append, a ring and a read: nothing is lost, nothing is done twice', async () => {
    const { messages } = await everything([])
    assert.ok(messages > 15, `${messages} messages without a cut`)
    for (let cut = 0; cut <= messages; cut++) {
      assert.deepEqual((await everything([cut])).heard, [1, 2, 3, 4, 5, 6], `cut after ${cut}`)
    }
  })

  it('and cut again: the same', async () => {
    for (let cut = 0; cut <= 20; cut += 2) {
      for (let again = 0; again <= 20; again++) {
        assert.deepEqual(
          (await everything([cut, again])).heard,
          [1, 2, 3, 4, 5, 6],
          `cut after ${cut}, and after ${again}`,
        )
      }
    }
  })

  it('where nobody waits for another one, an append fails at once, and says whether it is in doubt', async () => {
    const seen = new Set<string>()
    for (let cut = 0; cut <= 8; cut++) {
      const kept = new MemoryLog()
      const owner = new LogOwner(kept)
      const pair = portPair(cut)
      owner.serve(pair.ends[0])
      const follower = new PortLog(pair.ends[1])
      const outcome = await append(follower, 1).then(
        () => 'kept',
        ({ code, inDoubt }: LogError) => `${code}${inDoubt ? ', in doubt' : ''}`,
      )
      // what has been delivered is done in this turn
      await turn()
      const isKept = (await kept.read('a', 'oldest')).messages.length === 1
      seen.add(`${outcome}: ${isKept}`)
      await follower.close()
      pair.cut()
    }
    assert.deepEqual([...seen].sort(), [
      'ERR_LOG_AWAY, in doubt: false',
      'ERR_LOG_AWAY, in doubt: true',
      'ERR_LOG_AWAY: false',
      'kept: true',
    ])
  })
})
