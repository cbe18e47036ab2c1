import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plan } from '../plan.js'
import type { Sample } from '../workloads/workload.js'
import { chartOf, type Panel } from './chart.js'
import { tablesOf } from './figures.js'
import { driverLoad, marks, measuredPart } from './page.js'
import { promised } from './promises.js'
import { plainTable } from './text.js'

/** All that one run has found. */
export interface Results {
  /** When, as an ISO date. */
  readonly taken: string
  readonly minutes: number
  readonly plan: Plan
  /** Of the machine and what was measured on it. */
  readonly facts: readonly string[]
  readonly samples: readonly Sample[]
}

/** Prints the tables, and writes the page and the chart where there is a folder for them. */
export function write(results: Results, out: string | undefined, say: (line: string) => void): void {
  const { samples, plan } = results
  const tables = tablesOf(samples)
  for (const table of tables) {
    say(`\n${[table.workload.title, table.heading].filter(Boolean).join(': ')}\n${plainTable(table)}`)
  }
  say(`\n${driverLoad(tables)}`)
  for (const { what, found, most, unit } of promised(tables, plan)) {
    say(`${found <= most ? 'holds  ' : 'DOES NOT'} ${what}: ${found.toFixed(2)} ${unit}, at most ${most}`)
  }
  if (out === undefined) return

  mkdirSync(out, { recursive: true })
  const page = join(out, 'benchmarks.md')
  const before = existsSync(page) ? readFileSync(page, 'utf8') : `# Benchmarks\n\n${marks.begin}\n${marks.end}\n`
  const [begin, end] = [before.indexOf(marks.begin) + marks.begin.length, before.indexOf(marks.end)]
  writeFileSync(page, `${before.slice(0, begin)}\n\n${measuredPart(results).trim()}\n\n${before.slice(end)}`)
  writeFileSync(join(out, 'benchmarks.svg'), chartOf(tables, panelsOf(plan)))
  say(`written: ${page} and benchmarks.svg beside it`)
}

function panelsOf({ broadcast, keys, burst, chat, plain }: Plan): Panel[] {
  const [, size = 0] = broadcast.clients
  const busiest = chat.perSecond.at(-1) ?? 0
  return [
    { workload: 'broadcast', size, column: 'wake', title: `CPU a wake, µs (${size} held, one publish)` },
    { workload: 'broadcast', size, column: 'last', title: `The last of ${size} has its answer, ms` },
    { workload: 'broadcast', size, column: 'stall', title: 'Longest wait of a plain request meanwhile, ms' },
    { workload: 'broadcast', size, column: 'resident', title: 'Memory of a held request, RSS, KB' },
    { workload: 'keys', size: keys.count, column: 'most', title: `One key of ${keys.count}: 99 % answered within, ms` },
    {
      workload: 'chat',
      size: busiest,
      column: 'deliveries',
      title: `Chat, ${busiest} messages a second: deliveries/s`,
    },
    { workload: 'burst', size: burst.clients, column: 'cpu', title: 'A burst of new clients: CPU a client, µs' },
    { workload: 'plain', size: plain.connections, column: 'cpu', title: 'A plain route, CPU a request, µs' },
  ]
}
