import assert from 'node:assert/strict'
import { GradientLimit } from '../../src/flow/gradient-limit.js'
import { saturate } from './saturated.js'

const limit = (range = {}): GradientLimit => new GradientLimit({ min: 1, max: 1_000, initial: 20, ...range })

/** Milliseconds of work, 100 on the average. */
const works: Record<string, (random: number) => number> = {
  'is always the same': () => 100,
  'varies by a half': (random) => 50 + 100 * random,
  'is spread exponentially': (random) => -100 * Math.log(1 - random),
  'is ten short ones to a long one': (random) => (random < 0.9 ? 10 : 910),
}

describe('a limit that follows the latency', () => {
  for (const [kind, work] of Object.entries(works)) {
    for (const workers of [10, 50, 200]) {
      it(`finds what ${workers} at once can be worked on, where the work ${kind}`, () => {
        const found = saturate({ limit: limit(), workers: () => workers, work, duration: 120_000 })
        const used = (found.rate * 100) / workers
        assert.ok(used > 0.93, `of what could be done it lets ${used.toFixed(3)} be done`)
        const most = (kind.includes('ten') ? 2 : 1.35) * workers + Math.sqrt(2 * workers) + 5
        assert.ok(found.limit < most, `the limit is ${found.limit.toFixed(1)}`)
      })
    }
  }

  it('stays small where only one at a time can be worked on', () => {
    const found = saturate({ limit: limit({ initial: 4 }), workers: () => 1, work: () => 5, duration: 60_000 })
    assert.ok(found.limit < 10, `the limit is ${found.limit.toFixed(1)}`)
    assert.ok(found.rate * 5 > 0.99)
  })

  it('follows when less can be done, and when more can be', () => {
    const follows = limit()
    const stage = (workers: number) =>
      saturate({ limit: follows, workers: () => workers, work: () => 100, duration: 120_000 })
    assert.ok(near(stage(100).limit, 135))
    assert.ok(near(stage(20).limit, 30))
    assert.ok(near(stage(100).limit, 135))
  })

  it('does not shrink for good where the work itself takes longer from now on', () => {
    const follows = limit()
    saturate({ limit: follows, workers: () => 50, work: () => 100, duration: 60_000 })
    const after = saturate({ limit: follows, workers: () => 50, work: () => 400, duration: 600_000 })
    assert.ok((after.rate * 400) / 50 > 0.9, `${(after.rate * 400) / 50} of what could be done`)
    assert.ok(near(after.limit, 70), `the limit is ${after.limit}`)
  })

  it('stays as it is where nobody comes near it', () => {
    const idle = limit({ initial: 100 })
    saturate({ limit: idle, workers: () => 50, work: () => 100, demand: 10, duration: 60_000 })
    assert.ok(near(idle.value, 100, 0.1), `the limit is ${idle.value}`)
  })

  it('keeps within its bounds', () => {
    const upper = limit({ max: 30 })
    const lower = limit({ min: 15 })
    saturate({ limit: upper, workers: () => 100, work: () => 10, duration: 20_000 })
    assert.ok(upper.value <= 30 && upper.value >= 15)
    let least = Number.POSITIVE_INFINITY
    const watched = {
      get value() {
        least = Math.min(least, lower.value)
        return lower.value
      },
      ran: (ms: number, running: number) => lower.ran(ms, running),
    }
    saturate({ limit: watched, workers: () => 1, work: () => 10, duration: 60_000 })
    assert.equal(least, 15)
  })

  it('of runs that take no time at all is a number', () => {
    const instant = limit()
    for (let n = 0; n < 100_000; n++) instant.ran(0, instant.value)
    assert.ok(instant.value >= 1 && instant.value <= 1_000)
  })
})

function near(value: number, wanted: number, share = 0.15): boolean {
  return Math.abs(value - wanted) <= share * wanted
}
