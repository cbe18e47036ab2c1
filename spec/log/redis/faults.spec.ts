import assert from 'node:assert/strict'
import { faults } from '../../soak/faults.js'
import { emptied } from '../../soak/redis-emptied.js'
import { turn } from '../../support/gate.js'
import { noRedis } from '../../support/redis-server.js'

const turns = async (count: number): Promise<void> => {
  while (count-- > 0) await turn()
}

describe(`servers that share a log in Redis${noRedis}`, () => {
  before(function () {
    if (noRedis !== '') this.skip()
  })

  it('servers that are killed and stand still, a Redis that stands still and one that is killed: no message is lost or doubled', async () => {
    const tally = await faults({
      kind: 'redis',
      workers: 2,
      clients: 4,
      messages: 300,
      faults: ['kill', 'restart log', 'stop', 'stop log', 'restart log'],
      timeout: 30_000,
      standstill: async (acked) => {
        const enough = acked() + 20
        for (let count = 0; count < 200 && acked() < enough; count++) await turn()
      },
      pause: () => turns(5),
    })
    const { killed, stopped, restarted, changes, lost, doubled, outOfOrder, gaps, refusedKept } = tally
    assert.deepEqual(
      { killed, stopped, restarted, lost, doubled, outOfOrder, gaps, refusedKept },
      { killed: 1, stopped: 2, restarted: 2, lost: 0, doubled: 0, outOfOrder: 0, gaps: 0, refusedKept: 0 },
    )
    assert.ok(tally.deliveries >= 4 * 300)
    assert.ok(changes > 20, `${changes} requests were another worker's than the one before`)
  })

  it('a Redis that comes back empty: every client is told of the gap, and sees all the rest once', async () => {
    const tally = await emptied({
      clients: 8,
      messages: 300,
      rounds: 3,
      standstill: () => turns(20),
      pause: () => turns(5),
    })
    const { emptied: rounds, silentlyMissed, doubled, gaps } = tally
    assert.deepEqual({ rounds, silentlyMissed, doubled }, { rounds: 3, silentlyMissed: 0, doubled: 0 })
    assert.ok(gaps >= 8, `clients were told of ${gaps} gaps`)
  })
})
