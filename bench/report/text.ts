import type { Cell, Row, Table } from './figures.js'

/** A median with its spread, and the ratio to the first line. */
function shown({ median, spread, ratio, column: { digits, bare } }: Cell): string {
  if (!Number.isFinite(median)) return '–'
  const share = Number.isFinite(spread) && spread >= 0.005 ? ` ±${Math.round(spread * 100)} %` : ''
  const times = bare || !Number.isFinite(ratio) ? '' : ` (${ratio.toFixed(2)})`
  return `${median.toFixed(digits)}${share}${times}`
}

/** The share of its core from which on the driver may be what is measured. */
const limit = 0.9

/** A line of which the driver had no core to spare. */
export const isLimited = ({ load }: Row): boolean => load > limit

function cells({ columns, rows }: Table): string[][] {
  return [
    ['', ...columns.map(({ title }) => title)],
    ...rows.map((row) => [`${row.title}${isLimited(row) ? ' †' : ''}`, ...row.cells.map(shown)]),
  ]
}

function widths(all: readonly (readonly string[])[]): number[] {
  return (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
}

/** Of characters, numbers to the right. */
export function plainTable(table: Table): string {
  const all = cells(table).map(([name = '', ...rest]) => [name.replace(/\*\*|`/g, ''), ...rest])
  const wide = widths(all)
  return all
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(wide[at] ?? 0) : cell.padStart(wide[at] ?? 0))).join('  '),
    )
    .join('\n')
}

/** Of Markdown. */
export function markdownTable(table: Table): string {
  return markdown(cells(table))
}

export function markdown(all: readonly (readonly string[])[]): string {
  const wide = widths(all)
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(wide[at] ?? 0) : cell.padStart(wide[at] ?? 0))).join(' | ')} |`
  const [head = [], ...rows] = all
  const rule = `| ${wide.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
