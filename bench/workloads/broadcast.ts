import type { Plan } from '../plan.js'
import { openServer, pause, type Server } from '../server.js'
import { type Child, start } from '../support/child.js'
import { median } from '../support/figures.js'
import type { Way } from '../ways.js'
import type { Figures, Workload } from './workload.js'

/** Times in microseconds. */
interface Told extends Figures {
  received: number
  wrong: number
  first: number
  half: number
  most: number
  last: number
  load: number
}

export const broadcast: Workload = {
  name: 'broadcast',
  title: 'Hold and broadcast',
  about: ({ broadcast: { clients, cold, times, atOnce } }) =>
    `Clients are held, with a browser's head of 560 bytes each; then one publish wakes all, ${times} times in a round: CPU a wake, ` +
    'and when the first, half, 99 % and the last have their answer. When the last has it, all ask again: CPU a hold. ' +
    `Before it counts the first size is woken ${cold} times, for the compilers to have done their work; what the first of these takes ` +
    'is in a column of its own. ' +
    `${atOnce === 1 ? 'Once' : `${atOnce} times`} more a probe asks a plain route meanwhile, once a millisecond: its longest wait ` +
    'is the stall. Then the same with every client asking again as soon as it has its own answer. RSS and heap of a request are ' +
    `the growth since the size before, after a collection where one can be asked for. ${clients[2] ?? clients.at(-1)} is as many ` +
    'as one process may open files for, in round numbers.',
  heading: (size) => `${size} clients`,
  columns: [
    { name: 'wake', title: 'CPU a wake, µs', digits: 1 },
    { name: 'cold', title: 'the first of all, µs', digits: 1 },
    { name: 'first', title: 'first, ms', digits: 1 },
    { name: 'half', title: 'half', digits: 0 },
    { name: 'most', title: '99 %', digits: 0 },
    { name: 'last', title: 'last', digits: 0 },
    { name: 'stall', title: 'stall, ms', digits: 1 },
    { name: 'againLast', title: 'last, asking again at once, ms', digits: 0 },
    { name: 'againStall', title: 'stall so, ms', digits: 1 },
    { name: 'hold', title: 'CPU a hold, µs', digits: 1 },
    { name: 'resident', title: 'RSS a request, KB', digits: 1 },
    { name: 'heap', title: 'heap, KB', digits: 2 },
  ],

  async *round(ways, plan) {
    for (const way of ways) yield* session(way, plan)
  },
}

async function* session(way: Way, { broadcast: plan, nodeOptions }: Plan) {
  const server = await openServer(way, { nodeOptions })
  const driver = await start('drivers/main.js', { role: 'driver' })
  const probe = await start('drivers/probe.js', { role: 'driver' })
  try {
    await probe.ask('open', { port: server.port })
    await driver.ask('load', { port: server.port, path: '/probe', amount: plan.warmUp, connections: 10 })
    let before = { count: 0, resident: Number.NaN, heap: Number.NaN }
    for (const [place, count] of plan.clients.entries()) {
      if (place >= 2 && !way.toTheLimit) break
      await driver.ask('open', { port: server.port, count, dialect: way.dialect })
      const cold = place === 0 ? plan.cold : 0
      const figures = await woken(way, server, driver, { count, cold, times: place < 2 ? plan.times : 1 })
      const stalls = place < 2 ? await stalled(way, server, driver, probe, { count, times: plan.atOnce }) : {}

      // everybody is held
      const { resident, heap } = await server.memory()
      const more = (now: number, then: number): number => (now - then) / 1024 / (count - before.count)
      yield {
        line: way.name,
        size: count,
        figures: { ...figures, ...stalls, resident: more(resident, before.resident), heap: more(heap, before.heap) },
      }
      before = { count, resident, heap }
    }
  } finally {
    for (const child of [probe, driver, server]) await child.stop()
  }
}

interface Times {
  readonly count: number
  readonly times: number
}

/** All are held, and woken; at last they are held again. */
async function woken(
  way: Way,
  server: Server,
  driver: Child,
  { count, cold, times }: Times & { readonly cold: number },
): Promise<Figures> {
  const taken: Figures[] = []
  let load = 0
  let coldest: Figures = {}
  const hold = async (): Promise<number> => {
    const begun = await server.cpu()
    await driver.ask('hold')
    await server.holds(count)
    // who has a stream does not ask again
    return way.dialect === 'events' ? Number.NaN : ((await server.cpu()) - begun) / count
  }

  let held = await hold()
  for (let time = 0; time < cold + times; time++) {
    const begun = await server.cpu()
    const told = await tell(way, driver, count)
    await server.settled()
    const wake = ((await server.cpu()) - begun) / count
    const { first, half, most, last } = told
    load = Math.max(load, told.load)
    if (time >= cold)
      taken.push({ wake, hold: held, first: first / 1000, half: half / 1000, most: most / 1000, last: last / 1000 })
    else if (time === 0) coldest = { cold: wake }
    held = await hold()
  }
  return { ...middle(taken), ...coldest, load }
}

/** The share of its core that a server takes to answer the probe is less than this, also before it is warm. */
const beyondTheProbe = 0.3

/** All are woken while the probe asks: first as before, then with everybody asking again as soon as they have their answer. */
async function stalled(
  way: Way,
  server: Server,
  driver: Child,
  probe: Child,
  { count, times }: Times,
): Promise<Figures> {
  const taken: Figures[] = []
  const stallOf = async <Result>(act: () => Promise<Result>): Promise<{ stall: number; told: Result }> => {
    await probe.ask('start')
    const told = await act()
    return { told, stall: (await probe.ask<number>('stop')) / 1000 }
  }
  for (let time = 0; time < times; time++) {
    const { stall: idle } = await stallOf(() => pause(100))
    const { stall } = await stallOf(async () => {
      await tell(way, driver, count)
      await server.settled(beyondTheProbe)
    })
    await driver.ask('hold')
    await server.holds(count)
    const again = await stallOf(async () => {
      const told = await tell(way, driver, count, true)
      await server.settled(beyondTheProbe)
      return told
    })
    await server.holds(count)
    const { last, load } = again.told
    taken.push({ idle, stall, againStall: again.stall, againLast: last / 1000, load })
  }
  return middle(taken)
}

async function tell(way: Way, driver: Child, count: number, atOnce = false): Promise<Told> {
  const told = await driver.ask<Told>('broadcast', { atOnce })
  if (told.received !== count || told.wrong > 0) {
    throw new Error(`${way.name} lost or doubled: ${told.received} of ${count} were answered, ${told.wrong} wrongly`)
  }
  return told
}

/** The median of each figure. */
export function middle(taken: readonly Figures[]): Figures {
  const names = Object.keys(taken[0] ?? {})
  return Object.fromEntries(names.map((name) => [name, median(taken.map((figures) => figures[name] ?? Number.NaN))]))
}
