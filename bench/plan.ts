import { parseArgs } from 'node:util'
import { mostClients } from './support/machine.js'
import type { WorkloadName } from './ways.js'

/** What is measured, and how much of it. */
export interface Plan {
  readonly rounds: number
  readonly only: readonly WorkloadName[] | undefined
  /** Names of ways, or `node` for all but Debian's, or `all`. */
  readonly peers: readonly string[]
  /** Where the table and the chart go; by default docs/ where nothing was left out or made smaller. */
  readonly out: string | undefined
  /** A file of results to write a table and a chart of, without measuring. */
  readonly from: string | undefined
  /** Options of Node for what is measured. */
  readonly nodeOptions: readonly string[]
  readonly broadcast: {
    /** How many are held, one after the other. */
    readonly clients: readonly number[]
    /** How often the first of these are woken before it counts. */
    readonly cold: number
    /** How often all are woken at each size but the third, at which they are woken once. */
    readonly times: number
    /** How often with everybody asking again at once, at each size but the third. */
    readonly atOnce: number
    /** Plain requests that warm a server up. */
    readonly warmUp: number
  }
  /** Messages a second, twice as many before it counts; milliseconds. */
  readonly keys: { readonly count: number; readonly perSecond: number; readonly warmUp: number; readonly ms: number }
  readonly burst: { readonly clients: number; readonly cold: number; readonly times: number }
  readonly chat: {
    readonly clients: number
    readonly perSecond: readonly number[]
    /** Twenty messages a second before it counts. */
    readonly warmUp: number
    readonly ms: number
  }
  readonly plain: {
    readonly slices: number
    readonly requests: number
    readonly connections: number
    readonly warmUp: number
  }
  readonly manager: { readonly few: number; readonly many: number; readonly times: number }
}

const full = {
  nodeOptions: [],
  broadcast: { clients: [1_000, 10_000, mostClients], cold: 20, times: 3, atOnce: 2, warmUp: 3_000 },
  // long enough for a few collections of the old objects: one more or less of them decided the 99 % of six seconds
  keys: { count: 10_000, perSecond: 500, warmUp: 6_000, ms: 20_000 },
  burst: { clients: 1_000, cold: 5, times: 3 },
  chat: { clients: 1_000, perSecond: [10, 100, 1_000], warmUp: 2_500, ms: 1_500 },
  plain: { slices: 20, requests: 1_500, connections: 10, warmUp: 15_000 },
  manager: { few: 1_000, many: 100_000, times: 40 },
}

/** Shows in seconds that all of it works; its figures mean nothing. */
const tiny = {
  // no build is needed to see that it works
  nodeOptions: ['--import', 'tsx'],
  broadcast: { clients: [10, 20, 30], cold: 1, times: 1, atOnce: 1, warmUp: 20 },
  keys: { count: 20, perSecond: 200, warmUp: 20, ms: 100 },
  burst: { clients: 20, cold: 1, times: 2 },
  chat: { clients: 10, perSecond: [50, 100], warmUp: 50, ms: 100 },
  plain: { slices: 2, requests: 50, connections: 2, warmUp: 50 },
  manager: { few: 100, many: 1_000, times: 3 },
}

export const workloadNames: readonly WorkloadName[] = ['broadcast', 'keys', 'burst', 'chat', 'plain', 'manager']

export const usage = `npm run bench -- [options]
  --only broadcast,keys,burst,chat,plain,manager   some of the workloads
  --peers node | all | http,koa,route,…            who is measured: by default Node's; all installs Debian's
  --rounds 5                                       how often each, in turns
  --clients 1000,10000,max                         how many are held in the broadcasts; max is what open files allow
  --node=--max-semi-space-size=1                   options of Node, with commas between them, for all that it runs
  --out docs                                       where benchmarks.md and benchmarks.svg go
  --from .cache/bench/results.json                 writes them of figures taken before
  --tiny                                           shows in seconds that it all works`

export function planOf(args: readonly string[]): Plan | undefined {
  const { values: given } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      peers: { type: 'string', default: 'node' },
      rounds: { type: 'string', default: '5' },
      clients: { type: 'string' },
      node: { type: 'string' },
      out: { type: 'string' },
      from: { type: 'string' },
      tiny: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (given.help) return undefined
  const sizes = given.tiny ? tiny : full
  const only = given.only?.split(',') as WorkloadName[] | undefined
  for (const name of only ?? []) {
    if (!workloadNames.includes(name))
      throw new Error(`There is no workload ${name}; there are ${workloadNames.join(', ')}`)
  }
  const clients = given.clients?.split(',').map((count) => (count === 'max' ? mostClients : Number(count)))
  const rounds = Number(given.rounds)
  const whole = only === undefined && given.node === undefined && clients === undefined && !given.tiny && rounds >= 5
  return {
    ...sizes,
    rounds,
    only,
    peers: given.peers.split(','),
    out: given.out ?? (given.from !== undefined || (whole && /^(node|all)$/.test(given.peers)) ? 'docs' : undefined),
    from: given.from,
    nodeOptions: [...sizes.nodeOptions, ...(given.node?.split(',') ?? [])],
    broadcast: { ...sizes.broadcast, ...(clients && { clients }) },
  }
}
