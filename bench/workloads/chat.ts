import { openServer } from '../server.js'
import { start } from '../support/child.js'
import type { Workload } from './workload.js'

export const chat: Workload = {
  name: 'chat',
  title: 'A chat',
  about: ({ chat: { clients } }) =>
    `${clients} clients in one room, messages of 100 bytes at a fixed rate, each for everybody; long polls ask again as soon as ` +
    'they were answered. What comes between two polls is missing where nobody keeps it, and so is what comes later than 3 s after the end. Times from the sending of a message ' +
    'to its receipt by each.',
  heading: (size) => `${size} messages a second`,
  columns: [
    { name: 'deliveries', title: 'deliveries/s', digits: 0, more: true },
    { name: 'half', title: 'half, ms', digits: 1 },
    { name: 'most', title: '99 %, ms', digits: 1 },
    { name: 'cpu', title: 'CPU a delivery, µs', digits: 1 },
    { name: 'missing', title: 'missing, %', digits: 1, bare: true },
  ],

  async *round(ways, { nodeOptions, chat: { clients, perSecond: rates, warmUp, ms } }) {
    for (const way of ways) {
      const server = await openServer(way, { nodeOptions })
      const driver = await start('drivers/main.js', { role: 'driver' })
      try {
        await driver.ask('open', { port: server.port, count: clients, dialect: way.dialect, connections: 16 })
        await driver.ask('hold')
        await server.holds(clients)
        // for the compilers to have done their work before it counts
        await driver.ask('rate', { perSecond: 20, ms: warmUp, sample: 8 })
        for (const perSecond of rates) {
          const begun = await server.cpu()
          const told = await driver.ask<Record<Told, number>>('rate', { perSecond, ms, sample: 8 })
          const cpu = ((await server.cpu()) - begun) / told.received
          const { half, most, expected, received, load } = told
          yield {
            line: way.name,
            size: perSecond,
            figures: {
              deliveries: told.perSecond,
              half: half / 1000,
              most: most / 1000,
              cpu,
              missing: (1 - received / expected) * 100,
              load,
            },
          }
        }
      } finally {
        for (const child of [driver, server]) await child.stop()
      }
    }
  },
}

type Told = 'perSecond' | 'half' | 'most' | 'expected' | 'received' | 'load'
