import assert from 'node:assert/strict'
import { DrainError, SuspensionLimitError } from '../../src/core/errors.js'
import { retryAfter } from '../../src/core/retry-after.js'
import { LogError } from '../../src/log/errors.js'

describe('the seconds of Retry-After', () => {
  it('are between 1 and 10, also of a source of numbers that gives 1', () => {
    assert.deepEqual(
      [0, 0.099, 0.1, 0.999, 1].map((number) => retryAfter(() => number)),
      [1, 1, 2, 10, 10],
    )
  })

  it('in each error that says them', () => {
    const random = (): number => 1
    assert.equal(new SuspensionLimitError('total', 1, random).headers['Retry-After'], '10')
    assert.equal(new DrainError(random).headers['Retry-After'], '10')
    assert.equal(new LogError('ERR_LOG_AWAY', 'away', { random }).headers['Retry-After'], '5')
  })
})
