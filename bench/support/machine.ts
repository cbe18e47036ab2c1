import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

export function versionOf(name: string): string {
  const manifest = readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** Whether a process can be bound to a core here: that needs Linux, `taskset`, and a second core for the others. */
export const canPin = cpus().length > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** The server has a core to itself, and whoever asks it another, which the harness shares. */
const cores = { server: 0, driver: 1 }
export type Role = keyof typeof cores | 'anywhere'

/** The command, bound to the core of its role. */
export function pinned(role: Role, command: readonly [string, ...string[]]): [string, ...string[]] {
  return canPin && role !== 'anywhere' ? ['taskset', '-c', String(cores[role]), ...command] : [...command]
}

/** Binds the harness itself. */
export function pinSelf(): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', String(cores.driver), String(process.pid)])
}

/** How many files a process may open: Node raises its limit to this by itself. */
export const openFiles = Number(spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout) || 1_024

/** As many held requests as one process may open files for, in round numbers, less what else it has open. */
export const mostClients = Math.max(
  100,
  openFiles > 2_000 ? Math.floor((openFiles - 500) / 1_000) * 1_000 : openFiles - 200,
)

/** Whether Linux tells here what a process uses. */
export const hasProc = existsSync('/proc/self/smaps_rollup') && existsSync('/proc/self/schedstat')

/** The place where the figures were taken, a fact a line. */
export function machine(): string[] {
  const gigabytes = (totalmem() / 1e9).toFixed(0)
  return [
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${gigabytes} GB, ${process.platform} ${release()}`,
    canPin
      ? `server on core ${cores.server}, load driver and probe on core ${cores.driver}`
      : 'server and driver are not pinned: there is no taskset here, or only one core',
    `Node ${process.version}; ${openFiles} open files a process`,
  ]
}
