// As many held requests as one process may open files for, woken again and again: is any lost, and does their memory come back?
// `npx tsx spec/soak/hold.ts [--servers 1] [--clients 19000] [--broadcasts 20] [--way route]`
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openServer } from '../../bench/server.js'
import { start } from '../../bench/support/child.js'
import { machine, mostClients } from '../../bench/support/machine.js'
import { type Way, ways } from '../../bench/ways.js'

export interface Holding {
  /** The server: one of ours, see bench/ways.ts. */
  readonly way: Way
  /** How many processes, each with a driver of its own. */
  readonly servers: number
  /** Held by each. */
  readonly clients: number
  readonly broadcasts: number
  readonly nodeOptions: readonly string[]
  say?(line: string): void
}

/** Bytes of one server: before anybody came, with all held, and when all have left. */
export interface Kept {
  readonly before: Memory
  readonly held: Memory
  readonly after: Memory
}
type Memory = { readonly heap: number; readonly resident: number }

/** Addresses of loopback for each driver, so that none runs out of ports for another. */
const addresses = 4

/**
 * Holds all, wakes all as often as told, by turns waiting for the last and asking again at once, and lets all leave.
 *
 * @throws {Error} when a client was not answered, or not once, or when a server holds more or fewer than there are
 */
export async function holdAll({
  way,
  servers,
  clients: count,
  broadcasts,
  nodeOptions,
  say = () => {},
}: Holding): Promise<Kept[]> {
  const all = await Promise.all(
    Array.from({ length: servers }, async (_, place) => ({
      server: await openServer(way, { nodeOptions, timeout: 600_000, role: 'anywhere' }),
      driver: await start('drivers/main.js', { role: 'anywhere' }),
      address: place * addresses + 1,
    })),
  )
  const each = <Result>(act: (one: (typeof all)[number]) => Promise<Result>): Promise<Result[]> =>
    Promise.all(all.map(act))
  try {
    const open = (count: number) =>
      each(async ({ server, driver, address }) => {
        await driver.ask('open', { port: server.port, count, dialect: way.dialect, address })
        await driver.ask('hold')
        await server.holds(count)
      })
    const broadcast = (atOnce: boolean) =>
      each(async ({ server, driver }) => {
        const { received, wrong } = await driver.ask<{ received: number; wrong: number }>('broadcast', {
          atOnce,
          patience: 300_000,
        })
        if (received !== count || wrong > 0) throw new Error(`${received} of ${count} were answered, ${wrong} wrongly`)
        if (!atOnce) await driver.ask('hold')
        await server.holds(count)
      })
    const leave = () =>
      each(async ({ server, driver }) => {
        await driver.ask('close')
        await server.holds(0)
        return server.memory()
      })

    await open(Math.min(100, count))
    const before = await leave()
    await open(count)
    say(`${servers} × ${count} are held`)
    for (let time = 0; time < broadcasts; time++) {
      const begun = performance.now()
      await broadcast(time % 2 === 1)
      say(
        `broadcast ${time + 1} of ${broadcasts}: all answered and held again, ${Math.round(performance.now() - begun)} ms`,
      )
    }
    const held = await each(({ server }) => server.memory())
    const after = await leave()
    return all.map((_, place) => ({ before: before[place], held: held[place], after: after[place] }) as Kept)
  } finally {
    await each(async ({ server, driver }) => {
      await driver.stop()
      await server.stop()
    })
  }
}

/** The share of the heap that held requests took which has not come back. */
export function stayed({ before, held, after }: Kept): number {
  return (after.heap - before.heap) / (held.heap - before.heap)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values: given } = parseArgs({
    options: {
      servers: { type: 'string', default: '1' },
      clients: { type: 'string', default: String(mostClients) },
      broadcasts: { type: 'string', default: '20' },
      way: { type: 'string', default: 'route' },
    },
  })
  const way = ways.find(({ name }) => name === given.way)
  if (way === undefined) throw new Error(`There is no ${given.way}`)
  for (const fact of machine()) console.log(fact)
  const [servers, clients, broadcasts] = [given.servers, given.clients, given.broadcasts].map(Number) as [
    number,
    number,
    number,
  ]
  const kept = await holdAll({ way, servers, clients, broadcasts, nodeOptions: [], say: console.log })
  const shown = (bytes: number): string => (bytes / 1_048_576).toFixed(1)
  for (const one of kept) {
    const { before, held, after } = one
    console.log(
      `heap in MB ${shown(before.heap)} before, ${shown(held.heap)} held, ${shown(after.heap)} after: ` +
        `${(stayed(one) * 100).toFixed(1)} % has stayed; ` +
        `resident ${shown(before.resident)}, ${shown(held.resident)}, ${shown(after.resident)}`,
    )
  }
  process.exitCode = kept.some((one) => stayed(one) > 0.05) ? 1 : 0
}
