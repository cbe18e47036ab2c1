import assert from 'node:assert/strict'
import { restart } from './restarts.js'

describe('a server that ends while messages go on', () => {
  it('its clients have no connection errors, and miss nothing where they go on', async () => {
    const { took, refused, messages, ...rest } = await restart({ polls: 40, streams: 5 })
    assert.deepEqual(rest, { code: 0, errors: 0, missed: 0, doubled: 0 })
    assert.ok(messages > 1)
  })
})
