import assert from 'node:assert/strict'
import { clientOfAddress, keyOf } from '../../src/flow/client-key.js'

describe('who stands behind an address', () => {
  for (const [address, client] of [
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:50123', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::6]:443', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001::a:b:c:d:e', '2001:0:0:a::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['no address', 'no address'],
    ['unknown', 'unknown'],
    ['', ''],
  ] as const) {
    it(`${address}: ${client}`, () => assert.equal(clientOfAddress(address), client))
  }
})

describe('what a client is kept under', () => {
  it('is its name', () => assert.equal(keyOf('x'.repeat(64)), 'x'.repeat(64)))
  it('is a digest of a long name, and each has its own', () => {
    const keys = [keyOf('x'.repeat(65)), keyOf('x'.repeat(8_000)), keyOf(`${'x'.repeat(8_000)}y`)]
    assert.equal(new Set(keys).size, 3)
    for (const key of keys) assert.equal(key.length, 44)
  })
})
