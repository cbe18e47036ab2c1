import assert from 'node:assert/strict'
import { leaks } from '../soak/leaks.js'

describe('requests that end in every way there is', () => {
  it('leave no timer, listener, socket or hold behind', async () => {
    const { before, after, refused } = await leaks(600, 12, 120)
    assert.deepEqual({ ...after, heapKilobytes: 0 }, { ...before, heapKilobytes: 0 })
    assert.deepEqual([after.clockTimers, after.waiting, refused], [0, 0, 0])
  })
})
