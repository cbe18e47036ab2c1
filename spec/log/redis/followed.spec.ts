import assert from 'node:assert/strict'
import type { After, Position } from '../../../src/log/log.js'
import { Followed, type ReadUp } from '../../../src/log/redis/followed.js'
import { Memory } from '../../../src/log/redis/recent.js'
import { gate } from '../../support/gate.js'

const age = Number.POSITIVE_INFINITY
const at = (seq: number): Position => ({ epoch: 'e', seq })
const stored = (seq: number) => ({ seq, data: String(seq) })

describe('a channel that is followed', () => {
  it('messages come while it is read, and there is a gap before: it reads once more, and has all of them', async () => {
    const slow = gate<ReadUp>()
    const answers: PromiseLike<ReadUp>[] = [
      Promise.resolve({ messages: [], next: at(1), last: 1, age }),
      slow,
      Promise.resolve({ messages: [stored(4)], next: at(4), last: 4, age }),
    ]
    const asked: After[] = []
    let rings = 0
    const followed = new Followed({
      memory: new Memory(1_000),
      now: () => 0,
      trouble: assert.ifError,
      read: async (after) => {
        asked.push(after)
        return answers.shift() as PromiseLike<ReadUp>
      },
    })
    followed.hang(() => rings++)
    await followed.readOn()
    const reading = followed.readOn()
    for (const seq of [2, 3, 4]) followed.heard({ position: at(seq), messages: [stored(seq)] })
    assert.equal(rings, 3)
    // it was so before the last one came
    slow.open({ messages: [stored(3)], next: at(3), last: 3, age, gap: 'trimmed' })
    await reading
    assert.deepEqual(asked, ['now', at(1), at(3)])
    assert.deepEqual(followed.read(at(2), age)?.messages, [stored(3), stored(4)])
    assert.equal(rings, 5)
  })
})
