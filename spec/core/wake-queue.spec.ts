import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.js'
import { WakeQueue } from '../../src/core/wake-queue.js'
import { turn, until } from '../support/gate.js'

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

  it('counts all that were ever pushed, whether they were woken or not', async () => {
    const waiting = queue(5)
    waiting.push('a')
    waiting.push('high', 1)
    assert.deepEqual([waiting.pushed, waiting.size], [2, 2])
    await until(() => waiting.size === 0)
    waiting.push('b')
    assert.deepEqual([waiting.pushed, waiting.size], [3, 1])
    await until(() => waiting.size === 0)
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

  describe('portions', () => {
    /** How many were woken when each had done what it does in its promises. */
    let begun: number[]
    const quick = async (): Promise<void> => {
      for (let step = 0; step < 25; step++) await null
      begun.push(woken.length)
    }
    const run = async (waiting: WakeQueue<string>, count: number): Promise<void> => {
      for (let item = 0; item < count; item++) waiting.push(String(item))
      await until(() => begun.length === count)
    }

    beforeEach(() => {
      begun = []
    })

    it('of quick ones double, to sixteen; each is done with before the next begins, and all are in order', async () => {
      const each = Array.from({ length: 48 }, (_, place) => String(place))
      await run(queue(5, quick), 48)
      assert.deepEqual([...new Set(begun)], [1, 3, 7, 15, 31, 47, 48])
      assert.deepEqual(woken, each)
    })

    it('are of one where one takes an eighth of the budget, and become so again', async () => {
      const waiting = queue(8, async (item) => {
        await quick()
        if (Number(item) >= 6) now += 1
      })
      await run(waiting, 12)
      // from 7 to 10 four together, which took 4 ms
      assert.deepEqual([...new Set(begun)], [1, 3, 7, 9, 10, 11, 12])
    })

    it('end with one that runs on without asking', async () => {
      const waiting = new WakeQueue<string>({
        budget: 5,
        clock,
        wake: (item) => {
          woken.push(item)
          void quick()
          return item !== '2' && item !== '4'
        },
      })
      await run(waiting, 8)
      assert.deepEqual([...new Set(begun)], [1, 3, 5, 8])
    })

    it('are left by those who find the turn spent: they go on in the next turns, one by one, before all others', async () => {
      const done: string[] = []
      const turns: number[] = []
      let turned = 0
      const waiting: WakeQueue<string> = new WakeQueue({
        budget: 5,
        clock: {
          ...clock,
          nextTurn: (callback) => {
            turned++
            clock.nextTurn(callback)
          },
        },
        wake: async (item) => {
          woken.push(item)
          await null
          const turn = waiting.spent()
          if (turn !== undefined) await turn
          // quick at first, and all of a sudden not
          if (Number(item) >= 3) now += 10
          done.push(item)
          turns.push(turned)
        },
      })
      for (let item = 0; item < 8; item++) waiting.push(String(item))
      await until(() => done.length === 8)
      assert.deepEqual(done, ['0', '1', '2', '3', '4', '5', '6', '7'])
      assert.deepEqual(turns, [1, 1, 1, 1, 2, 3, 4, 5])
    })

    it('of one do not ask', () => {
      assert.equal(queue(0).spent(), undefined)
    })
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
