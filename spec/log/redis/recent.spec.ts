import assert from 'node:assert/strict'
import type { Position, Stored } from '../../../src/log/log.js'
import { Memory, Recent } from '../../../src/log/redis/recent.js'
import { collected } from '../../support/collected.js'

const all = Number.POSITIVE_INFINITY
const at = (seq: number): Position => ({ epoch: 'e', seq })
const numbered = (...seqs: number[]): Stored[] => seqs.map((seq) => ({ seq, data: '12345678' }))

describe('the newest messages that a process keeps', () => {
  for (const [what, letGo] of [
    ['have grown too old', (busy: Recent) => busy.read(at(100), all, 1_000)],
    ['are of a channel that is followed no more', (busy: Recent) => busy.clear()],
  ] as const) {
    it(`those that ${what} are let go of, though older ones of another channel stay`, async () => {
      const memory = new Memory(1_000)
      const busy = new Recent(memory)
      busy.age = 1_000
      const quiet = new Recent(memory)
      quiet.take({ messages: numbered(1), next: at(1) }, 0)
      const parts = Array.from({ length: 100 }, (_, n) => {
        const messages = numbered(n + 1)
        busy.take({ messages, next: at(n + 1) }, 0)
        return new WeakRef(messages)
      })
      assert.equal(memory.bytes, 808)
      letGo(busy)
      assert.equal(memory.bytes, 8)
      await collected(parts)
      assert.equal(quiet.read(at(0), all, 0)?.messages.length, 1)
    })
  }

  for (const [has, reads] of [
    [[2, 4, 5], { 1: undefined, 2: undefined, 3: [4, 5], 4: [5], 5: [] }],
    [[1, 2, 4, 6, 7, 8], { 0: undefined, 3: undefined, 5: [6, 7, 8], 6: [7, 8] }],
    [[3, 4, 5], { 1: undefined, 2: [3, 4, 5], 3: [4, 5] }],
    [[1, 2, 3], { 0: [1, 2, 3], 1: [2, 3] }],
    [[7], { 5: undefined, 6: [7] }],
  ] as const) {
    it(`${has} are all there is: who reads from before a hole is sent to Redis, which says the gap`, () => {
      const recent = new Recent(new Memory(1_000))
      recent.take({ messages: numbered(1), next: at(1) }, 0)
      recent.take({ messages: numbered(...has), next: at(has.at(-1) as number), gap: 'trimmed' }, 0)
      for (const [after, messages] of Object.entries(reads)) {
        const read = recent.read(at(Number(after)), all, 0)?.messages.map(({ seq }) => seq)
        assert.deepEqual(read, messages, `after ${after}`)
      }
    })
  }
})
