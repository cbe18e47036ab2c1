import { median } from '../support/figures.js'
import { type Table, tablesOf } from './figures.js'
import { against, promised } from './promises.js'
import { isLimited, markdown, markdownTable } from './text.js'
import type { Results } from './write.js'

/** Where the measured part of the page begins and ends; what stands around it is written by hand. */
export const marks = {
  begin: '<!-- measured: from here to its end written by `npm run bench` -->',
  end: '<!-- end of what was measured -->',
}

/** The measured part of the page, in Markdown. */
export function measuredPart({ taken, minutes, plan, facts, samples }: Results): string {
  const tables = tablesOf(samples)
  return [
    '![Bars of the figures below](benchmarks.svg)',
    '',
    `Taken on ${taken.slice(0, 10)} in ${Math.round(minutes)} minutes, ${plan.rounds} rounds:`,
    '',
    ...facts.map((fact) => `- ${fact}`),
    `- ${driverLoad(tables)}`,
    ...probeIdle(samples),
    '',
    ...promises(tables, plan),
    ...others(tables),
    ...tables.flatMap((table, place) => section(table, tables[place - 1], plan)),
  ]
    .join('\n')
    .replace(/(\n- [^\n]*)\n\n?(?=## )/g, '$1\n\n')
}

/** Whether the driver kept up, in words. */
export function driverLoad(tables: readonly Table[]): string {
  const all = tables.flatMap(({ workload, heading, rows }) =>
    rows.map(({ title, load }) => ({ load, where: [workload.title, heading, title].filter(Boolean).join(', ') })),
  )
  const [most] = all.filter(({ load }) => Number.isFinite(load)).sort((one, other) => other.load - one.load)
  if (most === undefined) return 'no load driver took part'
  return `the load driver took at most ${Math.round(most.load * 100)} % of its core while it measured (${most.where})`
}

/** What the probe measures where there is nothing to wait for. */
function probeIdle(samples: Results['samples']): string[] {
  const idle = samples.map(({ figures }) => figures['idle'] ?? Number.NaN).filter(Number.isFinite)
  return idle.length === 0
    ? []
    : [
        `- the longest wait of the probe in 0.1 s with nothing else to do: ${median(idle).toFixed(1)} ms, the median of all rounds`,
      ]
}

function promises(tables: readonly Table[], plan: Results['plan']): string[] {
  const all = promised(tables, plan)
  if (all.length === 0) return []
  const rows = all.map(({ what, found, most, unit }) => {
    const digits = unit === '' ? 2 : 1
    const shown = (value: number): string => `${value.toFixed(digits)}${unit && ` ${unit}`}`
    return [what, shown(found), shown(most), found <= most ? 'yes' : '**no**']
  })
  return ['## What must hold', '', markdown([['', 'found', 'at most', 'holds'], ...rows]), '']
}

/** Whom it is compared with as a whole, and by which of ours. */
const compared = ['jetty', 'tornado', 'twisted', 'socket-io', 'nchan', 'mochiweb', 'mochiweb-hibernate']

function others(tables: readonly Table[]): string[] {
  const has = (name: string): boolean => tables.some(({ rows }) => rows.some((row) => row.name === name))
  const holds = ['hold', 'kept'].filter(has)
  const own = holds.length > 0 ? holds : ['route'].filter(has)
  const parts = [
    ...own.flatMap((name) => beside(tables, name, 'In how many of all columns below')),
    ...beside(
      tables.filter(({ workload }) => workload.name === 'chat'),
      'channel-events',
      'A plain hold keeps no message for who is not there. In how many columns of the chat, which is what channels are for,',
    ),
  ]
  return parts.length === 0 ? [] : ['## Beside other systems', '', ...parts]
}

function beside(tables: readonly Table[], own: string, where: string): string[] {
  const rows = compared.flatMap((name) => {
    const found = against(tables, own, name)
    if (found === undefined) return []
    const worst = [...found.behind].sort((one, other) => other.ratio - one.ratio)
    const most = worst
      .slice(0, 3)
      .map(({ what, ratio }) => `${what} (${ratio.toFixed(1)})`)
      .join('; ')
    return [[found.title, String(found.ahead), String(found.behind.length), most === '' ? '–' : most]]
  })
  if (rows.length === 0) return []
  const title = tables.flatMap(({ rows }) => rows).find(({ name }) => name === own)?.title ?? own
  return [
    `${where} ${title} is ahead and behind, and by how many times behind:`,
    '',
    markdown([['', 'ahead', 'behind', 'most of all in'], ...rows]),
    '',
  ]
}

const limited = '† The load driver was at its limit: its times are in this line too, and the server may be faster.'

function section(table: Table, before: Table | undefined, plan: Results['plan']): string[] {
  const { workload, heading } = table
  const begins = workload !== before?.workload
  return [
    ...(begins ? [`## ${workload.title}`, '', workload.about(plan), ''] : []),
    ...(heading === undefined ? [] : [`### ${heading}`, '']),
    markdownTable(table),
    '',
    ...(table.rows.some(isLimited) ? [limited, ''] : []),
  ]
}
