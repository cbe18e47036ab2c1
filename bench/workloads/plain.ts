import { openServer, type Server } from '../server.js'
import { start } from '../support/child.js'
import type { Way } from '../ways.js'
import { middle } from './broadcast.js'
import type { Figures, Workload } from './workload.js'

export const plain: Workload = {
  name: 'plain',
  title: 'A plain route',
  about: ({ plain: { slices, requests, connections } }) =>
    `A JSON route that never suspends, ${connections} keep-alive connections. All servers run at the same time and take turns ` +
    `in ${slices} short slices of ${requests} requests, so that whatever else the machine does meets all alike.`,
  columns: [
    { name: 'rate', title: 'requests/s', digits: 0, more: true },
    { name: 'cpu', title: 'CPU a request, µs', digits: 1 },
  ],

  async *round(ways, { nodeOptions, plain: { slices, requests, connections, warmUp } }) {
    const driver = await start('drivers/main.js', { role: 'driver' })
    const servers = new Map<Way, Server>()
    const taken = new Map<Way, Figures[]>()
    const load = async ({ port, cpu }: Server, amount: number): Promise<Figures> => {
      const begun = await cpu()
      const told = await driver.ask<{ seconds: number; load: number }>('load', {
        port,
        path: '/users/42',
        amount,
        connections,
      })
      return { rate: amount / told.seconds, cpu: ((await cpu()) - begun) / amount, load: told.load }
    }
    try {
      for (const way of ways) {
        servers.set(way, await openServer(way, { nodeOptions }))
        taken.set(way, [])
      }
      for (const server of servers.values()) await load(server, warmUp)
      for (let slice = 0; slice < slices; slice++) {
        for (const [way, server] of slice % 2 === 0 ? servers : [...servers].reverse()) {
          taken.get(way)?.push(await load(server, requests))
        }
      }
      for (const [way, figures] of taken) yield { line: way.name, size: connections, figures: middle(figures) }
    } finally {
      for (const child of [driver, ...servers.values()]) await child.stop()
    }
  },
}
