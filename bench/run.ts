import { type Plan, workloadNames } from './plan.js'
import { installed } from './servers/debian/launch.js'
import { type Way, ways } from './ways.js'
import { workloads } from './workloads/index.js'
import type { Sample, Workload } from './workloads/workload.js'

/** Who is measured: as the plan says, and as can be had here. */
export function chosen({ peers }: Plan, say: (line: string) => void): Way[] {
  for (const name of peers) {
    if (!['all', 'node'].includes(name) && !ways.some((way) => way.name === name)) {
      throw new Error(`There is no ${name}; there are ${ways.map(({ name }) => name).join(', ')}`)
    }
  }
  const wanted = ways.filter(
    ({ name, group }) =>
      peers.includes('all') || peers.includes(name) || (peers.includes('node') && group !== 'debian'),
  )
  return installed(wanted, say)
}

/** Measures all of it, workload after workload, in each round everybody once, beginning with another each time. */
export async function run(plan: Plan, ways: readonly Way[], say: (line: string) => void): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const workload of workloads.filter(({ name }) => (plan.only ?? workloadNames).includes(name))) {
    const those = ways.filter((way) => way.workloads.includes(workload.name))
    if (those.length === 0 && workload.lines === undefined) continue
    for (let round = 0; round < plan.rounds; round++) {
      const begun = performance.now()
      const from = Math.floor((round * those.length) / plan.rounds)
      for await (const taken of workload.round([...those.slice(from), ...those.slice(0, from)], plan)) {
        samples.push({ workload: workload.name, round, ...taken })
        say(`  ${progress(workload, taken)}`)
      }
      const seconds = ((performance.now() - begun) / 1000).toFixed(0)
      say(`${workload.name}: round ${round + 1} of ${plan.rounds} took ${seconds} s`)
    }
  }
  return samples
}

function progress(
  { columns, heading }: Workload,
  { line, size, figures }: Pick<Sample, 'line' | 'size' | 'figures'>,
): string {
  const told = columns
    .filter(({ name }) => Number.isFinite(figures[name]))
    .map(({ name, title, digits }) => `${title} ${figures[name]?.toFixed(digits)}`)
  return `${line}${heading === undefined ? '' : `, ${heading(size)}`}: ${told.join(' | ')}`
}
