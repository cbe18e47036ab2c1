import { median, spread } from '../support/figures.js'
import { type Way, ways } from '../ways.js'
import { workloads } from '../workloads/index.js'
import type { Column, Sample, Workload } from '../workloads/workload.js'

/** What was measured of one line in one column, over all rounds. */
export interface Cell {
  readonly median: number
  /** Half the range, as a share of the median. */
  readonly spread: number
  /** To the first line of the table. */
  readonly ratio: number
  readonly column: Column
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly group: Way['group']
  readonly cells: readonly Cell[]
  /** The greatest share of its core that the driver took. */
  readonly load: number
}

export interface Table {
  readonly workload: Workload
  readonly size: number
  readonly heading: string | undefined
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

/** One for each workload and size that there are samples of. Columns without a figure are left out. */
export function tablesOf(samples: readonly Sample[]): Table[] {
  return workloads.flatMap((workload) => {
    const mine = samples.filter((sample) => sample.workload === workload.name)
    const sizes = [...new Set(mine.map(({ size }) => size))].sort((one, other) => one - other)
    return sizes.map((size) =>
      tableOf(
        workload,
        size,
        mine.filter((sample) => sample.size === size),
      ),
    )
  })
}

function tableOf(workload: Workload, size: number, samples: readonly Sample[]): Table {
  const lines = workload.lines
  const order: Pick<Row, 'name' | 'title' | 'group'>[] =
    lines === undefined ? [...ways] : Object.entries(lines).map(([name, title]) => ({ name, title, group: 'ours' }))
  const measured = order.filter(({ name }) => samples.some(({ line }) => line === name))
  const values = (line: string, name: string): number[] =>
    samples.filter((sample) => sample.line === line).map(({ figures }) => figures[name] ?? Number.NaN)
  const columns = workload.columns.filter(({ name }) =>
    measured.some((line) => Number.isFinite(median(values(line.name, name)))),
  )
  const first = measured[0]?.name ?? ''
  const rows = measured.map(
    ({ name, title, group }): Row => ({
      name,
      title,
      group,
      cells: columns.map((column) => {
        const own = values(name, column.name)
        return {
          column,
          median: median(own),
          spread: spread(own),
          ratio: median(own) / median(values(first, column.name)),
        }
      }),
      load: Math.max(...values(name, 'load')),
    }),
  )
  return { workload, size, heading: workload.heading?.(size), columns, rows }
}

/** A median, by names. `undefined` where that was not measured. */
export function pick(
  tables: readonly Table[],
  workload: string,
  size: number,
  line: string,
  column: string,
): number | undefined {
  const table = tables.find((one) => one.workload.name === workload && one.size === size)
  const cell = table?.rows.find(({ name }) => name === line)?.cells.find((one) => one.column.name === column)
  return cell !== undefined && Number.isFinite(cell.median) ? cell.median : undefined
}
