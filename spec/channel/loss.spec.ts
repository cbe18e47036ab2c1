import assert from 'node:assert/strict'
import { loss } from '../soak/loss.js'
import { turn } from '../support/gate.js'

describe('behind a proxy that cuts connections, drops answers and stalls', () => {
  it('every client of every kind sees every message once, in order', async () => {
    const tally = await loss({
      clients: 12,
      messages: 400,
      seed: 7,
      pace: async (published) => {
        if (published % 3 === 0) await turn()
      },
      pause: async (random) => {
        for (let turns = 0; turns < random * 20; turns++) await turn()
      },
    })
    assert.deepEqual(
      { ...tally, requests: 0, connections: 0, cuts: 0, stalls: 0 },
      {
        messages: 400,
        deliveries: 12 * 400,
        requests: 0,
        connections: 0,
        cuts: 0,
        stalls: 0,
        doubled: 0,
        outOfOrder: 0,
        gaps: 0,
        missing: 0,
      },
    )
    assert.ok(tally.cuts > 10 && tally.stalls > 0, `${tally.cuts} cuts, ${tally.stalls} stalls`)
  })
})
