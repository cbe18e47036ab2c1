// Everything that must hold, in one command: types, style, and the specs on this Node.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { atOnce } from './at-once.js'
import { provide } from './provide.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => `${root}node_modules/.bin/${name}`

provide()
for (const [command, ...args] of [
  [process.execPath, 'scripts/build.js'],
  [bin('tsc'), '-p', '.'],
  [bin('biome'), 'check', '--error-on-warnings', '.'],
  [bin('mocha'), ...atOnce, 'spec/**/*.spec.ts', ...process.argv.slice(2)],
]) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
