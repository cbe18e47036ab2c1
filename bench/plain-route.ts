/**
 * What continuations() costs a request that never touches `ctx.continuation`: a plain JSON route with and without it.
 *
 * Each round starts both servers anew and warms them up; then they take turns in short slices, so that whatever else
 * the machine does meets both alike. Which one starts and goes first changes from round to round and slice to slice.
 * A round's figures are the medians of its slices. What counts is the ratio of the medians of all slices.
 *
 * Usage: npm run bench:plain -- [--rounds 9] [--slices 60] [--requests 1500] [--connections 10]
 */
import { parseArgs } from 'node:util'
import { type Child, start } from './support/child.js'
import { median, percent, spread, table } from './support/figures.js'
import { machine } from './support/machine.js'

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    slices: { type: 'string', default: '60' },
    requests: { type: 'string', default: '1500' },
    connections: { type: 'string', default: '10' },
  },
})
const rounds = Number(given.rounds)
const slices = Number(given.slices)
const amount = Number(given.requests)
const connections = Number(given.connections)
const warmUp = 30_000
/** The least share of the speed without continuations() that is left with it. */
const floor = 0.97

const kinds = ['without', 'with'] as const
type Kind = (typeof kinds)[number]

interface Measured {
  /** Requests a second. */
  readonly rate: number
  /** Microseconds of the server's processor time a request. */
  readonly cpu: number
}

const driver = await start('drivers/load.js', 'driver')
/** By round. */
const measured: Record<Kind, Measured[][]> = { without: [], with: [] }

console.log(`A plain JSON route with and without app.use(continuations()) above it
${rounds} rounds of ${slices} slices of ${amount} requests over ${connections} keep-alive connections, by turns, after a \
warm-up of ${warmUp}
${machine('koa', '@koa/router', 'autocannon')}
`)

for (let round = 0; round < rounds; round++) {
  const order = round % 2 === 0 ? kinds : kinds.toReversed()
  const servers = new Map<Kind, Server>()
  for (const kind of order) servers.set(kind, await open(kind))
  for (const server of servers.values()) await measure(server, warmUp)
  const taken: Record<Kind, Measured[]> = { without: [], with: [] }
  for (let slice = 0; slice < slices; slice++) {
    for (const [kind, server] of slice % 2 === 0 ? [...servers] : [...servers].reverse()) {
      taken[kind].push(await measure(server, amount))
    }
  }
  for (const [kind, { child }] of servers) {
    await child.stop()
    measured[kind].push(taken[kind])
  }
}
await driver.stop()

interface Server {
  readonly child: Child
  readonly url: string
}

async function open(kind: Kind): Promise<Server> {
  const child = await start('servers/plain.js', 'server', kind)
  return { child, url: `http://127.0.0.1:${await child.ask<number>('port')}/users/42` }
}

async function measure({ child, url }: Server, amount: number): Promise<Measured> {
  const before = await child.ask<number>('cpu')
  const seconds = await driver.ask<number>('load', { url, amount, connections })
  const used = (await child.ask<number>('cpu')) - before
  return { rate: amount / seconds, cpu: used / amount }
}

const figures = { rate: ({ rate }: Measured) => rate, cpu: ({ cpu }: Measured) => cpu }

/** The median of each round. */
const byRound = (kind: Kind, figure: keyof typeof figures): number[] =>
  measured[kind].map((slices) => median(slices.map(figures[figure])))

/** The median of all slices. */
const overall = (kind: Kind, figure: keyof typeof figures): number => median(measured[kind].flat().map(figures[figure]))

const row = (name: string, of: typeof overall): string[] => [
  name,
  of('without', 'rate').toFixed(0),
  of('with', 'rate').toFixed(0),
  (of('with', 'rate') / of('without', 'rate')).toFixed(3),
  of('without', 'cpu').toFixed(1),
  of('with', 'cpu').toFixed(1),
  (of('without', 'cpu') / of('with', 'cpu')).toFixed(3),
]
const spreadOf = (kind: Kind, figure: keyof typeof figures): string => percent(spread(byRound(kind, figure)))

console.log(
  table(
    ['round', 'req/s without', 'req/s with', 'ratio', 'µs CPU without', 'µs CPU with', 'ratio'],
    [
      ...measured.with.map((_, round) => row(String(round + 1), (...of) => byRound(...of)[round] ?? Number.NaN)),
      row('all', overall),
      [
        'spread',
        spreadOf('without', 'rate'),
        spreadOf('with', 'rate'),
        '',
        spreadOf('without', 'cpu'),
        spreadOf('with', 'cpu'),
      ],
    ],
  ),
)

const ratio = overall('with', 'rate') / overall('without', 'rate')
console.log(`\nof the speed without it, ${percent(ratio)} is left; it must be at least ${percent(floor)}`)
if (ratio < floor) process.exitCode = 1
