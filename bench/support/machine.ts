import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

function version(name: string): string {
  const manifest = readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** Whether a process can be bound to a core here: that needs Linux, `taskset`, and a second core for the others. */
export const canPin = cpus().length > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** The server has a core to itself, and whoever asks it another. */
export const cores = { server: 0, driver: 1 }

/** What a reader needs to know of the place where the figures were taken. */
export function machine(...packages: string[]): string {
  const versions = packages.map((name) => `${name} ${version(name)}`)
  const pinned = canPin
    ? `server on core ${cores.server}, drivers on core ${cores.driver}`
    : 'not pinned: no taskset here'
  return `node ${process.version}, ${versions.join(', ')}; ${cpus().length} × ${cpus()[0]?.model.trim()}; ${pinned}`
}
