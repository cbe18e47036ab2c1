import assert from 'node:assert/strict'
import { Once } from '../../src/relay/once.js'

describe('Once', () => {
  const meet = (once: Once, from: number, to: number): void => {
    for (let n = from; n <= to; n++) once.isFirst({ by: 'a', n })
  }

  it('tells apart by whom, and which of his', () => {
    const once = new Once(1)
    assert.deepEqual(
      [
        { by: 'a', n: 1 },
        { by: 'a', n: 2 },
        { by: 'b', n: 1 },
        { by: 'a', n: 1 },
      ].map((entry) => once.isFirst(entry)),
      [true, true, true, false],
    )
  })

  for (const [kept, known] of [
    [1, 1_000],
    [3_000, 3_000],
    [Number.POSITIVE_INFINITY, 100_000],
  ] as const) {
    it(`where the log keeps ${kept} it knows the last ${known}, and not for ever more`, () => {
      const once = new Once(kept)
      meet(once, 1, known)
      assert.equal(once.isFirst({ by: 'a', n: 1 }), false)
      meet(once, 2, known)
      meet(once, known + 1, 2 * known)
      assert.equal(once.isFirst({ by: 'a', n: known + 1 }), false)
      meet(once, 2 * known + 1, 5 * known)
      assert.equal(once.isFirst({ by: 'a', n: 1 }), true)
    })
  }
})
