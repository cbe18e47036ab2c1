import assert from 'node:assert/strict'
import { shownTime, systemClock } from '../../src/core/clock.js'

interface Timer {
  readonly ms: number
  readonly fire: () => void
}

const LONGEST = 2 ** 31 - 1

describe('the machine’s clock', () => {
  /** Runs `act` with timers that it ends by hand: those that are set now, in order. */
  function byHand(act: (timers: Timer[]) => void): void {
    const { setTimeout, clearTimeout } = globalThis
    const timers: Timer[] = []
    const set = (callback: (...rest: unknown[]) => void, ms: number, ...rest: unknown[]): Timer => {
      const timer = {
        ms,
        fire: () => {
          clear(timer)
          callback(...rest)
        },
      }
      timers.push(timer)
      return timer
    }
    const clear = (timer: Timer): void => {
      if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1)
    }
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
    try {
      act(timers)
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout })
    }
  }

  const times = (timers: Timer[]): number[] => timers.map(({ ms }) => ms)

  it('a wait as long as timers go is one of them', () => {
    byHand((timers) => {
      const heard: unknown[] = []
      systemClock.setTimeout((what) => heard.push(what), LONGEST, 'up')
      assert.deepEqual(times(timers), [LONGEST])
      timers[0]?.fire()
      assert.deepEqual([heard, timers], [['up'], []])
    })
  })

  it('a wait that is longer does not end early', () => {
    byHand((timers) => {
      const heard: unknown[] = []
      systemClock.setTimeout((what) => heard.push(what), 2 * LONGEST + 7, 'up')
      for (const ms of [LONGEST, LONGEST, 7]) {
        assert.deepEqual([heard, times(timers)], [[], [ms]])
        timers[0]?.fire()
      }
      assert.deepEqual([heard, timers], [['up'], []])
    })
  })

  it('and is stopped at any time', () => {
    for (let before = 0; before < 3; before++) {
      byHand((timers) => {
        const timer = systemClock.setTimeout(assert.fail, 2 * LONGEST + 7, 'up')
        for (let fired = 0; fired < before; fired++) timers[0]?.fire()
        assert.equal(timers.length, 1)
        systemClock.clearTimeout(timer)
        assert.deepEqual(timers, [])
      })
    }
  })
})

describe('a time that is shown', () => {
  it('is a date, and for ever where no date is so late', () => {
    assert.equal(shownTime(undefined), undefined)
    assert.deepEqual(shownTime(0), new Date(0))
    for (const late of [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER]) assert.equal(shownTime(late), 'for ever')
  })
})
