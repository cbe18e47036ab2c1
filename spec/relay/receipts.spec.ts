import assert from 'node:assert/strict'
import { Receipts } from '../../src/relay/receipts.js'
import { ManualClock } from '../support/manual-clock.js'

describe('Receipts', () => {
  it('who has left does not come back, and is remembered as one of the last hundred', () => {
    const receipts = new Receipts(new ManualClock(), 0)
    for (let n = 0; n <= 100; n++) {
      receipts.met(`p${n}`)
      receipts.left(`p${n}`)
    }
    receipts.met('p1')
    receipts.met('p100')
    assert.equal(receipts.size, 0)
    receipts.met('p0')
    assert.equal(receipts.size, 1)
  })
})
