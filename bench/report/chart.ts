import type { Row, Table } from './figures.js'

/** One picture of the chart: a column of a table. */
export interface Panel {
  readonly workload: string
  readonly size: number
  readonly column: string
  readonly title: string
}

const width = 1_040
const gap = 40
const panelWidth = (width - 3 * gap) / 2
const names = 216
const values = 62
const bars = panelWidth - names - values
const line = 19
const headline = 44

/** Bars are cut where they would be longer than this many times the first. */
const longest = 6

const style = `
  svg { font: 12px system-ui, sans-serif; }
  .ground { fill: #ffffff; }
  .name, .value { fill: #24292f; }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
  .title { fill: #24292f; font-size: 14px; font-weight: 600; }
  .less { fill: #656d76; }
  .mark { stroke: #656d76; stroke-dasharray: 2 3; }
  .node { fill: #8c959f; }
  .debian { fill: #c4a15a; }
  .ours { fill: #2563eb; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    .name, .value, .title { fill: #e6edf3; }
    .value { stroke: #0d1117; }
    .less { fill: #9198a1; }
    .mark { stroke: #9198a1; }
    .node { fill: #6e7681; }
    .debian { fill: #a07d36; }
    .ours { fill: #58a6ff; }
  }
`

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
const plain = (title: string): string => escaped(title.replace(/\*\*|`/g, ''))

/** An SVG of bars, a panel for each of these columns, two abreast. It suits light pages and dark ones. */
export function chartOf(tables: readonly Table[], panels: readonly Panel[]): string {
  const drawn = panels.flatMap((panel) => {
    const table = tables.find(({ workload, size }) => workload.name === panel.workload && size === panel.size)
    const place = table?.columns.findIndex(({ name }) => name === panel.column) ?? -1
    return table === undefined || place < 0 ? [] : [{ panel, place, rows: table.rows }]
  })
  const parts: string[] = []
  let top = 64
  for (let at = 0; at < drawn.length; at += 2) {
    const abreast = drawn.slice(at, at + 2)
    for (const [side, { panel, place, rows }] of abreast.entries()) {
      parts.push(picture(panel, rows, place, gap + side * (panelWidth + gap), top))
    }
    top += headline + Math.max(...abreast.map(({ rows }) => rows.length)) * line + 28
  }
  const legend = [
    ['ours', 'koa-continuation'],
    ['node', 'other ways in Node'],
    ['debian', 'other systems'],
  ].map(
    ([group, text], at) =>
      `<rect class="${group}" x="${gap + at * 170}" y="22" width="12" height="12" rx="2"/><text class="name" x="${gap + 18 + at * 170}" y="32">${text}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img">
<title>koa-continuation beside other ways to hold requests</title>
<style>${style}</style>
<rect class="ground" width="100%" height="100%"/>
${[...legend, ...parts].join('\n')}
</svg>
`
}

function picture({ title }: Panel, rows: readonly Row[], place: number, left: number, top: number): string {
  const shown = rows.flatMap((row) => {
    const cell = row.cells[place]
    return cell !== undefined && Number.isFinite(cell.median) ? [{ row, cell }] : []
  })
  const first = shown[0]?.cell.median ?? 1
  const column = shown[0]?.cell.column
  const most = Math.min(
    Math.max(...shown.map(({ cell }) => cell.median)),
    column?.more ? Number.POSITIVE_INFINITY : first * longest,
  )
  const scale = bars / most
  const begin = left + names
  const lines = shown.map(({ row, cell: { median, column } }, at) => {
    const y = top + headline + at * line
    const cut = median > most
    const length = Math.max(1, Math.min(median, most) * scale)
    const shape = cut
      ? `<path class="${row.group}" d="M${begin} ${y}h${length - 6}l6 6.5l-6 6.5H${begin}z"/>`
      : `<rect class="${row.group}" x="${begin}" y="${y}" width="${length.toFixed(1)}" height="13" rx="2"/>`
    return (
      `<text class="name" x="${begin - 8}" y="${y + 11}" text-anchor="end">${plain(row.title)}</text>${shape}` +
      `<text class="value" x="${(begin + length + 5).toFixed(1)}" y="${y + 11}">${median.toFixed(column.digits)}</text>`
    )
  })
  const mark = begin + first * scale
  const height = headline + shown.length * line
  return [
    `<text class="title" x="${left}" y="${top + 12}">${escaped(title)}</text>`,
    `<text class="less" x="${left}" y="${top + 29}">${column?.more ? 'more is better' : 'less is better'}; the dotted line is ${plain(shown[0]?.row.title ?? '')}</text>`,
    `<path class="mark" d="M${mark.toFixed(1)} ${top + headline - 6}V${top + height}"/>`,
    ...lines,
  ].join('\n')
}
