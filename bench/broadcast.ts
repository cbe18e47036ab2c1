/**
 * One publish wakes thousands of held requests: is any lost, how soon do they have their answer, and how long does
 * somebody else wait meanwhile?
 *
 * A server on one core; on the other the clients, each a bare socket, and a probe, which asks a plain route of the same
 * server once a millisecond. Beside this package the same is done by a Koa handler that awaits a promise, and by
 * node:http with each response kept in a Set: both answer all in one go.
 *
 * Usage: npm run bench:broadcast -- [--clients 10000] [--rounds 5] [--sets 2]
 */
import { parseArgs } from 'node:util'
import { type Child, start } from './support/child.js'
import { median, table } from './support/figures.js'
import { machine } from './support/machine.js'

const { values: given } = parseArgs({
  options: {
    clients: { type: 'string', default: '10000' },
    /** With one server, after the first, which is cold and stands apart. */
    rounds: { type: 'string', default: '5' },
    /** How often each server is started. */
    sets: { type: 'string', default: '2' },
  },
})
const clientCount = Number(given.clients)
const rounds = Number(given.rounds)
const sets = Number(given.sets)

const ways = ['http', 'koa', 'continuation'] as const
type Way = (typeof ways)[number]

interface Load {
  readonly count: number
  /** Milliseconds of processor time that a handler takes. */
  readonly burn: number
  readonly rounds: number
  readonly sets: number
}

/** Times in milliseconds. */
interface Round {
  readonly woken: number
  readonly received: number
  readonly wrong: number
  /** The longest wait of the probe, with nothing to do and during the broadcast. */
  readonly before: number
  readonly during: number
  /** The longest delay of the event loop. */
  readonly delay: number
  /** What the call that wakes all of them took by itself. */
  readonly publishing: number
  readonly first: number
  readonly half: number
  readonly most: number
  readonly last: number
  /** Microseconds of the server's processor time a wake, the probe's requests included. */
  readonly cpu: number
}

/** What the clients say of one publish: what the server counted, and after how many microseconds each had its answer. */
type Published = Pick<Round, 'woken' | 'received' | 'wrong'> & { readonly after: number[] }

/** Milliseconds that a plain request may wait during a broadcast, beside the time of one handler. */
const allowed = 25

console.log(`One publish to all held requests
${machine('koa')}`)

let failed = false
await compare({ count: clientCount, burn: 0, rounds, sets })
await compare({ count: clientCount / 5, burn: 2, rounds: Math.ceil(rounds / 2), sets: 1 })
if (failed) process.exitCode = 1

async function compare(load: Load): Promise<void> {
  const taken: Record<Way, Round[]> = { http: [], koa: [], continuation: [] }
  const cold: Record<Way, Round[]> = { http: [], koa: [], continuation: [] }
  for (let set = 0; set < load.sets; set++) {
    for (const way of ways) {
      const [first, ...others] = await runSet(way, load)
      if (first !== undefined) cold[way].push(first)
      taken[way].push(...others)
    }
  }
  report(load, taken, cold)
}

async function runSet(way: Way, { count, burn, rounds }: Load): Promise<Round[]> {
  const server = await start('servers/broadcast.js', 'server', way, String(burn))
  const clients = await start('drivers/held-clients.js', 'driver')
  const probe = await start('drivers/probe.js', 'driver')
  const port = await server.ask<number>('port')
  await clients.ask('open', { port, count })
  if (!(await probe.ask<boolean>('open', { port })))
    console.log('the probe may not go first on its core: it waits for the clients too')
  const taken: Round[] = []
  for (let round = 0; round <= rounds; round++) taken.push(await runRound(server, clients, probe, count, burn))
  for (const child of [probe, clients, server]) await child.stop()
  return taken
}

async function runRound(server: Child, clients: Child, probe: Child, count: number, burn: number): Promise<Round> {
  await clients.ask('hold')
  while ((await server.ask<number>('held')) < count) await pause(20)

  await probe.ask('start')
  await pause(500)
  const before = await probe.ask<number[]>('stop')

  await probe.ask('start')
  const begun = await server.ask<number>('watch')
  const { after, ...tally } = await clients.ask<Published>('publish', { patience: 60_000 + 10 * count * burn })
  const watched = await server.ask<{ cpu: number; longest: number; publishing: number }>('unwatch')
  const during = await probe.ask<number[]>('stop')

  const at = (share: number): number => (after[Math.max(0, Math.ceil(share * after.length) - 1)] ?? Number.NaN) / 1000
  return {
    ...tally,
    before: Math.max(...before) / 1000,
    during: Math.max(...during) / 1000,
    delay: watched.longest,
    publishing: watched.publishing,
    first: at(0),
    half: at(0.5),
    most: at(0.99),
    last: at(1),
    cpu: (watched.cpu - begun) / count,
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function report({ count, burn, rounds, sets }: Load, taken: Record<Way, Round[]>, cold: Record<Way, Round[]>): void {
  const all = (way: Way, figure: keyof Round): number[] => taken[way].map((round) => round[figure])
  const middle = (way: Way, figure: keyof Round): string => median(all(way, figure)).toFixed(1)
  const longest = (way: Way, figure: keyof Round): string => Math.max(...all(way, figure)).toFixed(1)
  const coldest = (way: Way): number => median(cold[way].map(({ during }) => during))
  const line = (name: string, of: (way: Way) => string | number): (string | number)[] => [name, ...ways.map(of)]

  const rows = [
    line('woken, at least', (way) => Math.min(...all(way, 'woken'))),
    line('received, at least', (way) => Math.min(...all(way, 'received'))),
    line('longest wait of a probe: before', (way) => `${middle(way, 'before')} to ${longest(way, 'before')}`),
    line('  during the broadcast', (way) => `${middle(way, 'during')} to ${longest(way, 'during')}`),
    line('  the first after the start', (way) => coldest(way).toFixed(1)),
    line('longest delay of the event loop', (way) => `${middle(way, 'delay')} to ${longest(way, 'delay')}`),
    line('the publish itself', (way) => `${middle(way, 'publishing')} to ${longest(way, 'publishing')}`),
    line('the first client has its answer', (way) => middle(way, 'first')),
    line('  half', (way) => middle(way, 'half')),
    line('  99 %', (way) => middle(way, 'most')),
    line('  the last', (way) => middle(way, 'last')),
    line('µs of processor a wake', (way) => middle(way, 'cpu')),
  ]
  console.log(`
${count} held requests, ${burn === 0 ? 'a plain handler' : `a handler of ${burn} ms processor time`}
${sets} × ${rounds} rounds; milliseconds, medians, "to" the longest of all rounds
`)
  console.log(table(['', ...ways], rows))

  const lost = ways.filter(
    (way) => Math.min(...all(way, 'woken'), ...all(way, 'received')) < count || Math.max(...all(way, 'wrong')) > 0,
  )
  const waited = median(all('continuation', 'during'))
  console.log(
    `\n${lost.length === 0 ? 'every client had its answer, once' : `lost or doubled: ${lost.join(', ')}`}; ` +
      `a plain request waited up to ${waited.toFixed(1)} ms in the median round, and may wait ${allowed + burn}`,
  )
  if (lost.includes('continuation') || waited > allowed + burn) failed = true
}
