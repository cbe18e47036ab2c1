import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Buckets } from '../../src/flow/buckets.js'

/** Token buckets as they are told of: so many tokens, which flow in with time. It forgets nobody. */
class Told {
  readonly #clients = new Map<string, { tokens: number; at: number }>()
  constructor(
    readonly rate: number,
    readonly burst: number,
  ) {}

  take(client: string, now: number, patience: number): number {
    const { tokens, at } = this.#clients.get(client) ?? { tokens: this.burst, at: now }
    const filled = Math.min(this.burst, tokens + ((now - at) * this.rate) / 1_000)
    const wait = Math.max(0, ((1 - filled) * 1_000) / this.rate)
    this.#clients.set(client, { tokens: wait <= patience ? filled - 1 : filled, at: now })
    return wait
  }
}

const asks = fc.array(
  fc.record({
    client: fc.integer({ min: 0, max: 30 }).map(String),
    after: fc.constantFrom(0, 0, 0, 1, 10, 50, 200, 1_000),
    patience: fc.constantFrom(0, 100, 500),
  }),
  { maxLength: 300 },
)
const limits = fc.record({ rate: fc.constantFrom(0.5, 1, 4, 25), burst: fc.constantFrom(1, 2, 10) })
const near = (one: number, other: number): boolean => Math.abs(one - other) < 1e-3

describe('Buckets', () => {
  it('are token buckets', () => {
    fc.assert(
      fc.property(limits, asks, ({ rate, burst }, all) => {
        const buckets = new Buckets({ rate, burst, maxClients: 100 })
        const told = new Told(rate, burst)
        let now = 1e12
        for (const { client, after, patience } of all) {
          now += after
          const wait = told.take(client, now, patience)
          // where a token falls due at this very moment, the one or the other may be a rounding ahead
          fc.pre(!near(wait, patience) || near(wait, 0))
          const got = buckets.take(client, now, patience)
          assert.ok(near(got, wait), `${client} waits ${got}, not ${wait}`)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('that are forgotten never give a client more than it would have had', () => {
    fc.assert(
      fc.property(limits, fc.constantFrom(2, 4, 10), asks, ({ rate, burst }, maxClients, all) => {
        const buckets = new Buckets({ rate, burst, maxClients })
        /** When each client was let through. */
        const passes = new Map<string, number[]>()
        let now = 1e12
        for (const { client, after } of all) {
          now += after
          const wait = buckets.take(client, now, 0)
          assert.ok(buckets.size <= maxClients + 1, `${buckets.size} are kept`)
          if (wait === 0) passes.set(client, [...(passes.get(client) ?? []), now])
        }
        for (const times of passes.values()) {
          for (const [first, from] of times.entries()) {
            for (const [last, to] of times.entries()) {
              if (last < first) continue
              const most = burst + ((to - from) * rate) / 1_000
              assert.ok(last - first + 1 <= most + 1e-6, `${last - first + 1} passed in ${to - from} ms`)
            }
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('a client that comes in the crowd is let through when the crowd is over', () => {
    const buckets = new Buckets({ rate: 1, burst: 2, maxClients: 10 })
    for (let n = 0; n < 1_000; n++) {
      buckets.take(`${n % 500}`, 0, 0)
      buckets.take(`${n % 500}`, 0, 0)
    }
    assert.ok(buckets.take('new', 0, 0) > 0)
    assert.equal(buckets.take('new', 2_000, 0), 0)
    assert.equal(buckets.take('newer', 2_000, 0), 0)
  })

  it('a client that is kept does not count as forgotten', () => {
    const buckets = new Buckets({ rate: 1, burst: 1, maxClients: 4 })
    for (let n = 0; n < 5; n++) buckets.take('greedy', 1e12, 10_000)
    // each of these is one too many for the young
    for (const client of ['b', 'c', 'greedy']) buckets.take(client, 1e12, 10_000)
    buckets.take('d', 1e12 + 1_001, 0)
    assert.equal(buckets.take('e', 1e12 + 1_001, 0), 0)
    assert.ok(buckets.take('greedy', 1e12 + 1_001, 0) > 3_000)
  })

  it('an ordinary crowd, one after the other, costs nobody anything', () => {
    const buckets = new Buckets({ rate: 1, burst: 2, maxClients: 10 })
    for (let n = 0; n < 1_000; n++) assert.equal(buckets.take(`${n}`, 1e12 + n * 500, 0), 0)
  })

  it('tell how they stand', () => {
    const buckets = new Buckets({ rate: 2, burst: 3, maxClients: 10 })
    assert.deepEqual(buckets.state('a', 1e12), { tokens: 3, next: 500 })
    const states = []
    for (const _ of [1, 2, 3, 4]) {
      buckets.take('a', 1e12, 500)
      states.push(buckets.state('a', 1e12))
    }
    assert.deepEqual(states, [
      { tokens: 2, next: 500 },
      { tokens: 1, next: 500 },
      { tokens: 0, next: 500 },
      { tokens: 0, next: 1_000 },
    ])
    assert.deepEqual(buckets.state('a', 1e12 + 750), { tokens: 0, next: 250 })
    assert.deepEqual(buckets.state('a', 1e12 + 1_100), { tokens: 1, next: 400 })
  })

  it('have as many tokens in one moment as they hold, whatever part of a millisecond a token takes', () => {
    const now = 1_800_000_000_000.123
    for (const rate of [0.3, 1 / 7, 1.5, 6, 7, 11, 13, 15, 60, 150, 999, 1e7]) {
      for (const burst of [1, 2, 5, 60, 1_000]) {
        const buckets = new Buckets({ rate, burst, maxClients: 2 })
        for (let left = burst - 1; left >= 0; left--) {
          assert.equal(buckets.take('a', now, 0), 0, `${rate} a second`)
          assert.equal(buckets.state('a', now).tokens, left, `${rate} a second`)
        }
        assert.ok(buckets.take('a', now, 0) > 0)
      }
    }
  })

  it('that fill next to never are empty for so long', () => {
    const buckets = new Buckets({ rate: Number.MIN_VALUE, burst: 1, maxClients: 2 })
    assert.equal(buckets.take('a', 0, 0), 0)
    assert.equal(buckets.take('a', 0, 1_000), Number.MAX_SAFE_INTEGER)
  })
})
