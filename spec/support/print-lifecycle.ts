import { fileURLToPath } from 'node:url'
import { type Cell, lifecycle, phases, signals } from '../../src/core/lifecycle.js'

/** The life cycle as a Markdown table. `npx tsx spec/support/print-lifecycle.ts` prints it. */
export function printed(): string {
  const rows = [
    ['phase', ...signals],
    ['---', ...signals.map(() => '---')],
    ...phases.map((phase) => [`**${phase}**`, ...signals.map((signal) => shown(lifecycle[phase][signal]))]),
  ]
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function shown(cell: Cell): string {
  if (cell === 'late' || cell === 'illegal') return `_${cell}_`
  return cell === '-' ? '' : cell
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${printed()}\n`)
