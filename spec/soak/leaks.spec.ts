import assert from 'node:assert/strict'
import { cycles } from './cycles.js'
import { soak } from './leaks.js'

describe('after many requests of every kind', () => {
  it('nothing stays: no continuation, hold, timer, connection, listener or context', async () => {
    const { left } = await soak(cycles.length * 12, 8)
    assert.deepEqual(left, {
      waiting: 0,
      keys: 0,
      held: 0,
      timers: 0,
      unended: 0,
      connections: 0,
      socketListeners: [],
      responseListeners: 0,
      contexts: 0,
      wrong: [],
    })
  })
})
