import assert from 'node:assert/strict'
import { overload } from './overload/overload.js'

describe('qos() under many times its capacity', () => {
  it('never lets more in than maxRequests, and has every permit back, whoever throws, leaves or runs out of time', async () => {
    const app = { workers: 5, work: 10, maxRequests: 5, maxSuspended: 100, timeout: 50, throws: 0.1 }
    const { answers, app: figures } = await overload(app, {
      seconds: 1,
      rate: 2_000,
      high: 0.1,
      leave: 0.2,
      patience: 50,
    })
    const { statuses, left } = answers
    // each way out was taken
    for (const status of [200, 500, 503]) assert.ok((statuses[status] ?? 0) > 0, `nobody was answered ${status}`)
    assert.ok(left > 0 && figures.thrown > 0)
    assert.deepEqual([figures.most, figures.running, figures.suspended, figures.inHandler], [5, 0, 0, 0])
    assert.equal(Object.values(statuses).reduce((sum, count) => sum + count) + left, answers.asked)
  })
})
