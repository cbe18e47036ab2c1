import assert from 'node:assert/strict'
import { soak } from './offload.js'

describe('while off-loading is saturated', () => {
  it('all are answered, with every thread busy and others in line; the soak looks at the event loop', async () => {
    const { quiet, offloaded, blocking } = await soak(100, 1, 3, { pool: { execArgv: ['--require', 'tsx/cjs'] } })
    for (const { answered, refused } of [quiet, offloaded, blocking])
      assert.deepEqual([answered > 0, refused], [true, 0])
    assert.equal(offloaded.saturated, true)
  })
})
