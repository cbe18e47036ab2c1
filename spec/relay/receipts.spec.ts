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

  it('waits for those that were there when it was done first', async () => {
    const clock = new ManualClock()
    const receipts = new Receipts(clock, 100)
    receipts.begin()
    clock.advance(100)
    receipts.met('a')
    const elsewhere = receipts.expect(1)
    receipts.begun(1)
    receipts.met('b')
    receipts.begun(1)
    assert.equal(clock.timers, 1)
    receipts.told({ to: 'me', n: 1, by: 'a', woken: 3 })
    assert.deepEqual(await elsewhere, { elsewhere: 3, silent: 0 })
    assert.deepEqual([clock.timers, receipts.size], [0, 2])
  })
})
