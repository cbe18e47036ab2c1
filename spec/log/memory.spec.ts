import assert from 'node:assert/strict'
import { describeLog } from '../../src/log/describe-log.js'
import type { Backlog } from '../../src/log/log.js'
import { MemoryLog, type MemoryLogOptions } from '../../src/log/memory.js'
import { collected } from '../support/collected.js'

let now = 0

describeLog('MemoryLog', async () => new MemoryLog({ now: () => now }), {
  advance: (ms) => {
    now += ms
  },
})

describe('what a MemoryLog lets go of', () => {
  const short: Backlog = { messages: 100, bytes: 1_000_000, age: 1_000 }
  const long: Backlog = { ...short, age: 1_000_000 }
  let log: MemoryLog
  beforeEach(() => {
    now = 0
    log = new MemoryLog({ now: () => now })
  })

  /** Of a text nobody can say whether it is still there, and so it is a buffer. */
  async function append(channel: string, backlog: Backlog): Promise<WeakRef<object>> {
    const data = Buffer.from(channel)
    await log.append(channel, { data: data as unknown as string }, backlog)
    return new WeakRef(data)
  }

  it('messages too old of channels to which nobody appends any more, with one append to another', async () => {
    const old: WeakRef<object>[] = []
    for (let n = 0; n < 200; n++) old.push(await append(`job-${n % 100}`, short))
    const { next } = await log.read('job-0', 'now')
    now = 1_000
    await append('another', short)
    await collected(old)
    // what there was is known all the same
    const missed = await log.read('job-0', { ...next, seq: 1 })
    assert.deepEqual(missed, { messages: [], next, gap: 'trimmed' })
    assert.deepEqual(await log.read('job-0', next), { messages: [], next })
    assert.deepEqual(await log.append('job-0', { data: '3' }, short), { ...next, seq: 3 })
  })

  it('those among channels with messages that are not too old, with about as many appends as there are of these', async () => {
    const old: WeakRef<object>[] = []
    for (let n = 0; n < 50; n++) {
      old.push(await append(`short-${n}`, short))
      await append(`long-${n}`, long)
    }
    now = 1_000
    for (let n = 0; n <= 50; n++) await append('long-0', long)
    await collected(old)
    for (let n = 1; n < 50; n++) assert.equal((await log.read(`long-${n}`, 'oldest')).messages.length, 1)
  })

  it('those that are too old of a channel that has newer ones', async () => {
    const old = await append('a', short)
    now = 500
    await append('a', short)
    now = 1_000
    await append('another', short)
    await append('another', short)
    await collected([old])
    assert.deepEqual(
      (await log.read('a', 'oldest')).messages.map(({ seq }) => seq),
      [2],
    )
  })
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
