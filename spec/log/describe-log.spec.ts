import assert from 'node:assert/strict'
import { describeLog } from '../../src/log/describe-log.js'
import type { Log, Reading } from '../../src/log/log.js'
import { MemoryLog } from '../../src/log/memory.js'

/** Runs the suite by itself, and answers with the titles that failed. */
async function failures(open: () => Log, another?: () => Promise<Log>): Promise<string[]> {
  const tests: [string, () => Promise<void>][] = []
  describeLog('broken', async () => open(), {
    patience: 20,
    another,
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

  it('finds an epoch of which no cursor could be read', async () => {
    for (const name of ['0b9f-4e2c', 'a'.repeat(65)]) {
      class Named extends MemoryLog {
        override async append(...args: Parameters<Log['append']>) {
          return { ...(await super.append(...args)), epoch: name }
        }
      }
      assert.ok((await failures(() => new Named())).some((title) => title.startsWith('numbers the messages')))
    }
  })

  it('takes an option that is undefined for one that is not given', () => {
    const titles: string[] = []
    const own = { describe: globalThis.describe, it: globalThis.it }
    const describing = (_title: string, body: () => void): void => body()
    Object.assign(globalThis, { describe: describing, it: (title: string) => titles.push(title) })
    try {
      describeLog('memory', async () => new MemoryLog(), { describe: undefined, it: undefined })
    } finally {
      Object.assign(globalThis, own)
    }
    assert.ok(titles.length > 10)
  })

  it('closes the log after each test, whatever becomes of the other one', async () => {
    let open = 0
    class Counted extends MemoryLog {
      constructor() {
        super()
        open++
      }
      override async close() {
        await super.close()
        open--
      }
    }
    class Stuck extends MemoryLog {
      override close() {
        return Promise.reject(new Error('it does not close'))
      }
    }
    for (const another of [async () => new Stuck(), () => Promise.reject(new Error('there is none'))]) {
      const failed = await failures(() => new Counted(), another)
      assert.deepEqual([failed.length > 10, open], [true, 0])
    }
  })

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
