import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.js'
import { WakeQueue } from '../../src/core/wake-queue.js'
import { gate, turn, until } from '../support/gate.js'

describe('the wake queue', () => {
  let now = 0
  let woken: string[]
  const clock = { ...systemClock, now: () => now }
  const queue = (budget: number, wake: (item: string) => void = () => {}) =>
    new WakeQueue<string>({
      budget,
      clock,
      wake: (item) => {
        woken.push(item)
        wake(item)
      },
    })

  beforeEach(() => {
    now = 0
    woken = []
  })

  it('wakes nobody inside the call that pushes', async () => {
    const waiting = queue(5)
    waiting.push('a')
    assert.deepEqual(woken, [])
    await Promise.resolve()
    assert.deepEqual(woken, [])
    await until(() => waiting.size === 0)
    assert.deepEqual(woken, ['a'])
  })

  it('higher priority first, then in order of decision', async () => {
    const waiting = queue(5)
    waiting.push('a')
    waiting.push('low', -1)
    waiting.push('high', 10)
    waiting.push('b')
    waiting.push('higher', 11)
    waiting.push('high too', 10)
    assert.equal(waiting.size, 6)
    await until(() => woken.length === 6)
    assert.deepEqual(woken, ['higher', 'high', 'high too', 'a', 'b', 'low'])
  })

  it('a higher priority that comes in the middle goes before the rest', async () => {
    const waiting = queue(5, (item) => {
      if (item === 'a') waiting.push('urgent', 1)
    })
    for (const item of ['a', 'b', 'c']) waiting.push(item)
    await until(() => woken.length === 4)
    assert.deepEqual(woken, ['a', 'urgent', 'b', 'c'])
  })

  it('spends its budget in a turn, then lets the loop turn', async () => {
    const waiting = queue(5, () => {
      now += 2
    })
    for (let item = 0; item < 7; item++) waiting.push(String(item))
    const counts: number[] = []
    while (woken.length < 7) {
      await turn()
      counts.push(woken.length)
    }
    assert.deepEqual(
      counts.filter((count) => count > 0),
      [3, 6, 7],
    )
  })

  it('a budget of 0 wakes one a turn, Infinity all in one', async () => {
    for (const [budget, expected] of [
      [0, [1, 2, 3]],
      [Number.POSITIVE_INFINITY, [3]],
    ] as const) {
      woken = []
      const waiting = queue(budget)
      for (const item of ['a', 'b', 'c']) waiting.push(item)
      const counts: number[] = []
      while (woken.length < 3) {
        await turn()
        if (woken.length > 0) counts.push(woken.length)
      }
      assert.deepEqual(counts, expected)
    }
  })

  it('what one does without waiting is done before the next begins, however many promises it takes', async () => {
    const steps: string[] = []
    const finished = gate()
    const waiting = queue(5, async (item) => {
      for (let step = 0; step < 25; step++) await null
      steps.push(item)
      if (item === 'c') finished.open()
    })
    const started: number[] = []
    const wakeOrder = queue(5, () => started.push(steps.length))
    void wakeOrder
    for (const item of ['a', 'b', 'c']) waiting.push(item)
    await finished
    assert.deepEqual(steps, ['a', 'b', 'c'])
  })

  it('counts what a handler does after its promises against the budget', async () => {
    const waiting = queue(5, async () => {
      for (let step = 0; step < 10; step++) await null
      now += 10
    })
    for (const item of ['a', 'b', 'c']) waiting.push(item)
    const counts: number[] = []
    while (woken.length < 3) {
      await turn()
      if (woken.length > 0) counts.push(woken.length)
    }
    assert.deepEqual(counts, [1, 2, 3])
  })

  it('goes on with the next when a wake throws', async () => {
    const original = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const caught: unknown[] = []
    process.once('uncaughtException', (error) => caught.push(error))
    const waiting = queue(5, (item) => {
      if (item === 'a') throw new Error('of a')
    })
    for (const item of ['a', 'b']) waiting.push(item)
    await until(() => woken.length === 2)
    for (const listener of original) process.on('uncaughtException', listener)
    assert.deepEqual(caught.map(String), ['Error: of a'])
  })
})
