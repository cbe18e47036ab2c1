// Everything that must hold, in one command: types, style, and the specs on this Node.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { provide } from './provide.js'
import { runs } from './spec-runs.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => `${root}node_modules/.bin/${name}`

provide()
for (const [command, ...args] of [
  [process.execPath, 'scripts/build.js'],
  [bin('tsc'), '-p', '.'],
  [bin('biome'), 'check', '--error-on-warnings', '.'],
  ...runs.map((run) => [bin('mocha'), ...run, ...process.argv.slice(2)]),
]) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
