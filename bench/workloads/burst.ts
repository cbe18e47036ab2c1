import { openServer } from '../server.js'
import { start } from '../support/child.js'
import { middle } from './broadcast.js'
import type { Figures, Workload } from './workload.js'

export const burst: Workload = {
  name: 'burst',
  title: 'A burst',
  about: ({ burst: { clients, cold, times } }) =>
    `${clients} clients connect and ask all at once, while a message is published every 50 ms; each is answered by the first ` +
    `one after its arrival, and leaves. ${times} times, after ${cold} that do not count.`,
  columns: [
    { name: 'half', title: 'half, ms', digits: 0 },
    { name: 'most', title: '99 %, ms', digits: 0 },
    { name: 'last', title: 'last, ms', digits: 0 },
    { name: 'cpu', title: 'CPU a client, µs', digits: 0 },
  ],

  async *round(ways, { nodeOptions, burst: { clients, cold, times } }) {
    for (const way of ways) {
      const server = await openServer(way, { nodeOptions })
      const driver = await start('drivers/main.js', { role: 'driver' })
      const taken: Figures[] = []
      try {
        for (let time = 0; time < cold + times; time++) {
          const begun = await server.cpu()
          const told = await driver.ask<Record<'received' | 'half' | 'most' | 'last' | 'load', number>>('burst', {
            port: server.port,
            count: clients,
            dialect: way.dialect,
          })
          await driver.ask('close')
          await server.settled()
          if (told.received !== clients) throw new Error(`${way.name} answered ${told.received} of ${clients}`)
          const cpu = ((await server.cpu()) - begun) / clients
          const { half, most, last, load } = told
          if (time >= cold) taken.push({ half: half / 1000, most: most / 1000, last: last / 1000, cpu, load })
        }
        yield { line: way.name, size: clients, figures: middle(taken) }
      } finally {
        for (const child of [driver, server]) await child.stop()
      }
    }
  },
}
