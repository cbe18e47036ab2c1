import assert from 'node:assert/strict'
import { Relay } from '../../src/koa/relay.js'
import { turn } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

describe('those that take a place over', () => {
  let clock: ManualClock
  let relay: Relay
  let went: string[]
  beforeEach(() => {
    clock = new ManualClock()
    relay = new Relay(clock)
    went = []
  })
  const push = (name: string, ms = 0, then?: () => void): void =>
    relay.push(() => {
      clock.advance(ms)
      went.push(name)
      then?.()
    })

  it('go on in the same turn, but after the promise jobs under way', async () => {
    void Promise.resolve()
      .then(() => went.push('job'))
      .then(() => went.push('its job'))
    push('a')
    push('b')
    assert.deepEqual(went, [])
    let turned = false
    setImmediate(() => {
      turned = true
    })
    await new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(() => process.nextTick(resolve))))
    assert.equal(turned, false)
    assert.deepEqual(went, ['job', 'its job', 'a', 'b'])
    await turn()
  })

  it('after 5 ms of that in one turn the loop turns first, and then goes on in order', async () => {
    const turns: string[][] = []
    // each hands on to the next, as requests do that are over at once
    const chain = (n: number): void => {
      if (n < 12) push(String(n), 2, () => chain(n + 1))
    }
    chain(0)
    while (went.length < 12) {
      await turn()
      turns.push([...went])
    }
    const counts = turns.map((all, n) => all.length - (turns[n - 1]?.length ?? 0)).filter((count) => count > 0)
    assert.ok(counts.length >= 3 && Math.max(...counts) <= 4, `in each turn went ${counts}`)
    assert.deepEqual(
      went,
      Array.from({ length: 12 }, (_, n) => String(n)),
    )
  })

  it('nobody goes before one that waits for the next turn', async () => {
    push('a', 6, () => {
      push('late')
      push('later')
    })
    await turn()
    push('last')
    await turn()
    await turn()
    assert.deepEqual(went, ['a', 'late', 'later', 'last'])
  })
})
