import assert from 'node:assert/strict'
import { describeLog } from '../../src/log/describe-log.js'
import type { Log, Reading } from '../../src/log/log.js'
import { MemoryLog } from '../../src/log/memory.js'

/** Runs the suite by itself, and answers with the titles that failed. */
async function failures(open: () => Log): Promise<string[]> {
  const tests: [string, () => Promise<void>][] = []
  describeLog('broken', async () => open(), {
    patience: 20,
    describe: (_title, body) => body(),
    it: (title, body) => tests.push([title, body]),
  })
  const failed: string[] = []
  for (const [title, body] of tests) await body().catch(() => failed.push(title))
  return failed
}

class Broken extends MemoryLog {
  protected change(reading: Reading): Reading {
    return reading
  }
  override async read(...args: Parameters<Log['read']>): Promise<Reading> {
    return this.change(await super.read(...args))
  }
}

describe('describeLog', () => {
  it('passes a log that holds to it', async () => assert.deepEqual(await failures(() => new MemoryLog()), []))

  const broken: Record<string, () => Log> = {
    'loses a message': () =>
      new (class extends Broken {
        override change(reading: Reading) {
          return { ...reading, messages: reading.messages.filter(({ seq }) => seq !== 3) }
        }
      })(),
    'gives a message twice': () =>
      new (class extends Broken {
        override change(reading: Reading) {
          return {
            ...reading,
            messages: reading.messages.flatMap((message) => (message.seq === 2 ? [message, message] : message)),
          }
        }
      })(),
    'changes the order': () =>
      new (class extends Broken {
        override change(reading: Reading) {
          return { ...reading, messages: reading.messages.toReversed() }
        }
      })(),
    'forgets a gap': () =>
      new (class extends Broken {
        override change({ messages, next }: Reading) {
          return { messages, next }
        }
      })(),
    'misses a bell now and then': () => {
      let appended = 0
      return new (class extends MemoryLog {
        override async tail(channel: string, ring: () => void) {
          return super.tail(channel, () => {
            if (++appended % 7 !== 0) ring()
          })
        }
      })()
    },
    'is not in force when tail() resolves': () =>
      new (class extends MemoryLog {
        override async tail(channel: string, ring: () => void) {
          let stop = (): void => {}
          setImmediate(() => super.tail(channel, ring).then((stopIt) => (stop = stopIt)))
          return () => stop()
        }
      })(),
    'gives two writers the same number': () =>
      new (class extends MemoryLog {
        override async append(...args: Parameters<Log['append']>) {
          const position = await super.append(...args)
          return { ...position, seq: position.seq - (position.seq % 2) }
        }
      })(),
    'rings after stop': () =>
      new (class extends MemoryLog {
        override async tail(channel: string, ring: () => void) {
          await super.tail(channel, ring)
          return () => {}
        }
      })(),
    'answers an unknown position with nothing': () =>
      new (class extends Broken {
        override change(reading: Reading) {
          return reading.gap === 'foreign' || reading.gap === 'future' ? { ...reading, messages: [] } : reading
        }
      })(),
  }
  for (const [how, open] of Object.entries(broken)) {
    it(`fails a log that ${how}`, async () => assert.notDeepEqual(await failures(open), []))
  }
})
