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

  for (const name of ['0b9f-4e2c', '', 'a'.repeat(65), 'ж', 'a b', 'a\n', 5, undefined]) {
    it(`an epoch called ${JSON.stringify(name)}, of which no cursor could be read, is refused where it would begin`, async () => {
      let given: unknown = name
      const log = new MemoryLog({ epoch: () => given as string })
      const refusal = {
        name: 'TypeError',
        code: 'ERR_INVALID_OPTION',
        message: /^What epoch\(\) gives must be 1 to 64/,
      }
      const append = () => log.append('a', { data: '1' }, { messages: 1, bytes: 1, age: 1 })
      await assert.rejects(append(), refusal)
      await assert.rejects(log.read('a', 'now'), refusal)
      await assert.rejects(
        log.tail('a', () => {}),
        refusal,
      )
      given = 'A_9'.padEnd(64, 'z')
      assert.deepEqual(await append(), { epoch: given, seq: 1 })
    })
  }

  it('undefined is the default', async () => {
    const log = new MemoryLog({ now: undefined, epoch: undefined })
    assert.equal((await log.append('a', { data: '1' }, { messages: 1, bytes: 1, age: 1 })).seq, 1)
  })
})
