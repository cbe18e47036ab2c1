import assert from 'node:assert/strict'
import { describeLog } from '../../src/log/describe-log.js'
import { MemoryLog, type MemoryLogOptions } from '../../src/log/memory.js'

let now = 0

describeLog('MemoryLog', async () => new MemoryLog({ now: () => now }), {
  advance: (ms) => {
    now += ms
  },
})

describe('what a MemoryLog is made with', () => {
  for (const [options, message] of [
    [{ maxMessages: 5 }, /^A MemoryLog has no option maxMessages: it takes now, epoch$/],
    [{ now: 5 }, /^now must be a function/],
    [{ epoch: 'first' }, /^epoch must be a function/],
    [null, /must be an object/],
    [1_000, /must be an object/],
  ] as const) {
    it(`${JSON.stringify(options)} is refused at once: ERR_INVALID_OPTION`, () => {
      const refusal = { name: 'TypeError', code: 'ERR_INVALID_OPTION', message }
      assert.throws(() => new MemoryLog(options as unknown as MemoryLogOptions), refusal)
    })
  }

  it('undefined is the default', async () => {
    const log = new MemoryLog({ now: undefined, epoch: undefined })
    assert.equal((await log.append('a', { data: '1' }, { messages: 1, bytes: 1, age: 1 })).seq, 1)
  })
})
