import assert from 'node:assert/strict'
import { connect } from '../../../src/client/index.js'
import { crew } from '../../soak/crew/crew.js'
import { faults } from '../../soak/faults.js'
import { turn } from '../../support/gate.js'
import { roundRobin } from '../../support/round-robin.js'

const turns = async (count: number): Promise<void> => {
  while (count-- > 0) await turn()
}

describe('workers that share the log of their primary', () => {
  it('two processes behind a proxy, every poll at the other one: a client sees every message once', async () => {
    const total = 150
    const team = await crew('processes', 2, 30_000)
    const proxy = await roundRobin(() => team.urls)
    const connection = connect(proxy.url, { cursor: '0', transport: 'poll', headers: { 'x-client': 'one' } })
    const publishing = Promise.all(
      team.urls.map(async (url, who) => {
        for (let n = who; n < total; n += 2) {
          const body = JSON.stringify({ data: n })
          await fetch(url as string, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
        }
      }),
    )
    const seen: [id: number, n: number][] = []
    for await (const { id, data } of connection) {
      seen.push([Number(id.split('-')[1]), data as number])
      if (seen.length === total) break
    }
    await publishing
    await proxy.close()
    await team.end()
    assert.deepEqual(
      seen.map(([id]) => id),
      Array.from({ length: total }, (_, place) => place + 1),
    )
    assert.equal(new Set(seen.map(([, n]) => n)).size, total)
    const { requests, changes } = proxy.turns
    assert.ok(requests > 10, `${requests} polls`)
    assert.equal(changes, requests - 1)
  })

  for (const kind of ['processes', 'threads'] as const) {
    it(`${kind} that are killed and stand still, and a primary that stands still: no message is lost or doubled`, async () => {
      const tally = await faults({
        kind,
        workers: 2,
        clients: 4,
        messages: 300,
        faults: ['kill', 'stop', 'kill', 'stop log'],
        timeout: 30_000,
        // the others go on meanwhile
        standstill: async (acked) => {
          const enough = acked() + 20
          for (let count = 0; count < 200 && acked() < enough; count++) await turn()
        },
        pause: () => turns(5),
      })
      const { killed, stopped, restarted, changes, lost, doubled, outOfOrder, gaps, refusedKept } = tally
      assert.deepEqual(
        { killed, stopped, restarted, lost, doubled, outOfOrder, gaps, refusedKept },
        { killed: 2, stopped: 2, restarted: 0, lost: 0, doubled: 0, outOfOrder: 0, gaps: 0, refusedKept: 0 },
      )
      assert.ok(tally.deliveries >= 4 * 300)
      assert.ok(changes > 20, `${changes} requests were another worker's than the one before`)
    })
  }
})
