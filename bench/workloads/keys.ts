import { openServer } from '../server.js'
import { start } from '../support/child.js'
import type { Figures, Workload } from './workload.js'

export const keys: Workload = {
  name: 'keys',
  title: 'One waiter a key',
  about: ({ keys: { count, perSecond } }) =>
    `${count} clients are held, each under a key of its own, and ${perSecond} messages a second are published, each for one ` +
    'key; whoever is answered asks again at once. Times from the sending of a message to its receipt.',
  columns: [
    { name: 'half', title: 'half, ms', digits: 2 },
    { name: 'most', title: '99 %, ms', digits: 2 },
    { name: 'last', title: 'longest, ms', digits: 1 },
    { name: 'cpu', title: 'CPU a message, µs', digits: 0 },
    { name: 'missing', title: 'missing', digits: 0, bare: true },
  ],

  async *round(ways, { nodeOptions, keys: { count, perSecond, warmUp, ms } }) {
    for (const way of ways) {
      const server = await openServer(way, { nodeOptions })
      const driver = await start('drivers/main.js', { role: 'driver' })
      try {
        await driver.ask('open', { port: server.port, count, dialect: way.dialect, keys: true, connections: 16 })
        await driver.ask('hold')
        await server.holds(count)
        await driver.ask('rate', { perSecond: 2 * perSecond, ms: warmUp, keys: count })
        const begun = await server.cpu()
        const told = await driver.ask<Figures & Record<Told, number>>('rate', { perSecond, ms, keys: count })
        const cpu = ((await server.cpu()) - begun) / told.sent
        const { half, most, last, expected, received, load } = told
        yield {
          line: way.name,
          size: count,
          figures: { half: half / 1000, most: most / 1000, last: last / 1000, cpu, missing: expected - received, load },
        }
      } finally {
        for (const child of [driver, server]) await child.stop()
      }
    }
  },
}

type Told = 'sent' | 'expected' | 'received' | 'half' | 'most' | 'last' | 'load'
