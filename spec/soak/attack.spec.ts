import assert from 'node:assert/strict'
import { attack, type Phase } from './attack/attack.js'

describe('an attacker with many connections that hold, trickle, abort and flood', () => {
  it('keeps nobody else from being served', async () => {
    const phases = await attack({
      clients: 20,
      connections: 200,
      addresses: 2,
      work: 5,
      seconds: [0.5, 1, 0.5],
      pause: 200,
    })
    const [, under] = phases as [Phase, Phase, Phase]
    for (const { honest } of phases) {
      assert.deepEqual(honest.failed, {})
      assert.ok(honest.waits.length > 0)
    }
    for (const way of ['hold', 'trickle', 'abort', 'flood'] as const) assert.ok(under.attack[way] >= 50, way)
    assert.ok((under.server.statuses['left'] ?? 0) > 0)
    assert.ok(under.server.delayed > 0 && under.server.most <= 50)
  })
})
