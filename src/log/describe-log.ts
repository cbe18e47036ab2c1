import assert from 'node:assert/strict'
import { type Backlog, epochName, type Log, type Position, type Stored } from './log.js'

/** What `describeLog()` is to know of a log. */
export interface DescribeLogOptions {
  /** Another handle on the same messages, as another process would have it. Without it, writers share the one log. */
  another?: ((log: Log) => Promise<Log>) | undefined
  /** Lets the log's own clock move on. Without it, what depends on age is left out. */
  advance?: ((ms: number) => void | Promise<void>) | undefined
  /** Milliseconds to wait for a ring before a test fails. Default 5 000. */
  patience?: number | undefined
  /** Of the test runner. Default the globals of mocha, Jest and the like; with `node:test`, hand them in. */
  describe?: ((title: string, body: () => void) => void) | undefined
  it?: ((title: string, body: () => Promise<void>) => void) | undefined
}

const wide: Backlog = { messages: 100_000, bytes: 100_000_000, age: 3_600_000 }

/**
 * What every `Log` must hold to, as tests. An adapter's own test is this call.
 *
 * @param open makes a log with no messages; it is closed after each test
 * @example
 * ```ts
 * describeLog('MemoryLog', async () => new MemoryLog())
 * ```
 */
export function describeLog(name: string, open: () => Promise<Log>, options: DescribeLogOptions = {}): void {
  const { another, advance, patience = 5_000 } = options
  const { describe = globals().describe, it = globals().it } = options

  /** A test with a log of its own, and a second handle on it. */
  const holds = (title: string, body: (log: Log, other: Log) => Promise<void>): void =>
    it(title, async () => {
      const log = await open()
      let other = log
      try {
        if (another !== undefined) other = await another(log)
        await body(log, other)
      } finally {
        try {
          if (other !== log) await other.close()
        } finally {
          await log.close()
        }
      }
    })

  describe(`${name} as a log`, () => {
    holds('numbers the messages of a channel from 1, without holes, in one epoch', async (log) => {
      const positions = await publish(log, 'a', 3)
      assert.deepEqual(numbers(positions), [1, 2, 3])
      assert.equal(new Set(positions.map(({ epoch }) => epoch)).size, 1)
      assert.match((positions[0] as Position).epoch, epochName)
    })

    holds('keeps channels apart', async (log) => {
      await publish(log, 'a', 2)
      assert.deepEqual(numbers(await publish(log, 'b', 1)), [1])
      assert.deepEqual(data(await read(log, 'a')), ['1', '2'])
      assert.deepEqual(data(await read(log, 'b')), ['1'])
      assert.deepEqual(await read(log, 'nobody has published here'), [])
    })

    holds('gives back what was appended: data to the letter, and the event where there is one', async (log) => {
      const messages = [
        { data: '"žluťoučký 🐎\\n"' },
        { data: '{"a":[1,null,"\\u0000"]}', event: 'kind of event' },
        { data: `"${'x'.repeat(100_000)}"`, event: 'ž' },
      ]
      for (const message of messages) await log.append('a', message, wide)
      const plain = (await read(log, 'a')).map(({ data, event }) => (event === undefined ? { data } : { data, event }))
      assert.deepEqual(plain, messages)
    })

    holds('reads all that came after a position, in order, each once', async (log) => {
      const positions = await publish(log, 'a', 5)
      for (const [place, position] of positions.entries()) {
        const { messages, next, gap } = await log.read('a', position)
        assert.deepEqual(numbers(messages), [1, 2, 3, 4, 5].slice(place + 1))
        assert.deepEqual(next, positions[4])
        assert.equal(gap, undefined)
      }
    })

    holds("from 'now' there is nothing, and what comes later follows", async (log) => {
      for (const before of [0, 2]) {
        await publish(log, 'a', before)
        const now = await log.read('a', 'now')
        assert.deepEqual([now.messages, now.gap], [[], undefined])
        const again = await log.read('a', now.next)
        assert.deepEqual([again.messages, again.gap, again.next], [[], undefined, now.next])
        await publish(log, 'a', 1)
        assert.equal((await log.read('a', now.next)).messages.length, 1)
      }
    })

    holds('reads in pages of some bytes, at least one message each, and misses none between', async (log) => {
      for (const size of [10, 500, 10, 10, 2_000, 10]) {
        await log.append('a', { data: `"${'x'.repeat(size)}"` }, wide)
      }
      const pages: number[][] = []
      for (let { next, messages } = await log.read('a', 'oldest', 100); messages.length > 0; ) {
        pages.push(numbers(messages))
        ;({ next, messages } = await log.read('a', next, 100))
      }
      assert.deepEqual(pages, [[1], [2], [3, 4], [5], [6]])
    })

    holds('keeps the newest messages by count, and says when some after a position are gone', async (log) => {
      const positions = await publish(log, 'a', 10, { ...wide, messages: 4 })
      assert.deepEqual(numbers(await read(log, 'a')), [7, 8, 9, 10])
      const complete = await log.read('a', positions[5] as Position)
      assert.deepEqual([numbers(complete.messages), complete.gap], [[7, 8, 9, 10], undefined])
      const missed = await log.read('a', positions[4] as Position)
      assert.deepEqual([numbers(missed.messages), missed.gap], [[7, 8, 9, 10], 'trimmed'])
      assert.deepEqual(missed.next, positions[9])
    })

    holds('keeps the newest messages by bytes, and the newest one however large it is', async (log) => {
      const backlog = { ...wide, bytes: 250 }
      const hundred = { data: `"${'x'.repeat(98)}"` }
      for (let count = 0; count < 5; count++) await log.append('a', hundred, backlog)
      assert.deepEqual(numbers(await read(log, 'a')), [4, 5])
      await log.append('a', { data: `"${'x'.repeat(1_000)}"` }, backlog)
      assert.deepEqual(numbers(await read(log, 'a')), [6])
    })

    if (advance !== undefined) {
      holds('keeps messages for their age, and says that they are gone', async (log) => {
        const backlog = { ...wide, age: 1_000 }
        const [first] = await publish(log, 'a', 2, backlog)
        await advance(600)
        const [third] = await publish(log, 'a', 1, backlog)
        await advance(400)
        assert.deepEqual(numbers(await read(log, 'a')), [3])
        await advance(600)
        const { messages, gap, next } = await log.read('a', first as Position)
        assert.deepEqual([messages, gap, next], [[], 'trimmed', third])
        assert.equal((await log.read('a', third as Position)).gap, undefined)
        assert.deepEqual(numbers(await publish(log, 'a', 1, backlog)), [4])
      })
    }

    holds('says when a position is ahead of the log, or of another epoch, and gives all there is', async (log) => {
      const [, last] = (await publish(log, 'a', 2)) as [Position, Position]
      const future = await log.read('a', { ...last, seq: 3 })
      assert.deepEqual([numbers(future.messages), future.gap, future.next], [[1, 2], 'future', last])
      const foreign = await log.read('a', { epoch: 'another', seq: 1 })
      assert.deepEqual([numbers(foreign.messages), foreign.gap, foreign.next], [[1, 2], 'foreign', last])
      const empty = await log.read('empty', { epoch: 'another', seq: 1 })
      assert.deepEqual([empty.messages, empty.gap], [[], 'foreign'])
    })

    holds('gives writers that append at once different numbers, and readers one order', async (log, other) => {
      const writers = [log, other, log, other]
      const positions = await Promise.all(
        writers.map(async (writer, who) => {
          const own: number[] = []
          for (let count = 0; count < 50; count++) {
            own.push((await writer.append('a', { data: JSON.stringify([who, count]) }, wide)).seq)
          }
          return own
        }),
      )
      for (const own of positions)
        assert.deepEqual(
          own,
          own.toSorted((one, next) => one - next),
        )
      assert.deepEqual(
        positions.flat().sort((one, next) => one - next),
        Array.from({ length: 200 }, (_, place) => place + 1),
      )
      const messages = await read(log, 'a')
      assert.deepEqual(
        numbers(messages),
        Array.from({ length: 200 }, (_, place) => place + 1),
      )
      assert.deepEqual(await read(other, 'a'), messages)
      for (const [who] of writers.entries()) {
        const own = messages.map((message) => JSON.parse(message.data) as number[]).filter(([whose]) => whose === who)
        assert.deepEqual(
          own.map(([, count]) => count),
          Array.from({ length: 50 }, (_, place) => place),
        )
      }
    })

    holds('rings after every append, from the moment that tail() has resolved', async (log, other) => {
      for (let count = 0; count < 5; count++) {
        for (const writer of [log, other]) {
          const bell = new Bell(patience)
          const stop = await log.tail('a', bell.ring)
          await writer.append('a', { data: '1' }, wide)
          await bell.rung(1)
          stop()
        }
      }
    })

    holds(
      'rings every tail of the channel, those of other channels not, and none that was stopped',
      async (log, other) => {
        const [one, two, stopped, elsewhere] = [
          new Bell(patience),
          new Bell(patience),
          new Bell(patience),
          new Bell(patience),
        ]
        const stops = [
          await log.tail('a', one.ring),
          await log.tail('a', two.ring),
          await log.tail('a', two.ring),
          await log.tail('b', elsewhere.ring),
        ]
        const stop = await log.tail('a', stopped.ring)
        stop()
        stop()
        stops[2]?.()
        await other.append('a', { data: '1' }, wide)
        await one.rung(1)
        await two.rung(1)
        assert.deepEqual([stopped.count, elsewhere.count], [0, 0])
        for (const stop of stops) stop()
      },
    )

    holds('follower: who reads on at every ring sees each message once, in order', async (log, other) => {
      const total = 300
      const seen: number[] = []
      let { next } = await log.read('a', 'now')
      const bell = new Bell(patience)
      const stop = await log.tail('a', bell.ring)
      const writing = Promise.all(
        [log, other].map(async (writer) => {
          for (let count = 0; count < total / 2; count++) await writer.append('a', { data: '1' }, wide)
        }),
      )
      for (let heard = 0; seen.length < total; ) {
        const reading = await log.read('a', next, 50)
        assert.equal(reading.gap, undefined)
        seen.push(...numbers(reading.messages))
        next = reading.next
        if (reading.messages.length > 0) continue
        await bell.rung(heard + 1)
        heard = bell.count
      }
      await writing
      stop()
      assert.deepEqual(
        seen,
        Array.from({ length: total }, (_, place) => place + 1),
      )
    })
  })
}

async function publish(log: Log, channel: string, count: number, backlog = wide): Promise<Position[]> {
  const positions: Position[] = []
  for (let n = 1; n <= count; n++) positions.push(await log.append(channel, { data: String(n) }, backlog))
  return positions
}

async function read(log: Log, channel: string): Promise<readonly Stored[]> {
  return (await log.read(channel, 'oldest')).messages
}

const numbers = (of: readonly { seq: number }[]): number[] => of.map(({ seq }) => seq)
const data = (of: readonly Stored[]): string[] => of.map((message) => message.data)

/** Counts its rings, and lets a test wait for them. */
class Bell {
  count = 0
  readonly #patience: number
  #wake = (): void => {}

  constructor(patience: number) {
    this.#patience = patience
  }

  readonly ring = (): void => {
    this.count++
    this.#wake()
  }

  async rung(times: number): Promise<void> {
    let impatient = false
    while (this.count < times && !impatient) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          impatient = true
          resolve()
        }, this.#patience)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    assert.ok(this.count >= times, `the bell was to ring ${times} times, and has rung ${this.count} times`)
  }
}

interface Runner {
  describe(title: string, body: () => void): void
  it(title: string, body: () => Promise<void>): void
}

function globals(): Runner {
  const { describe, it } = globalThis as unknown as Runner
  return { describe, it }
}
