/**
 * From publish to delivery, for each home of a log: in this process, in threads, in processes, in Redis; and as the limit
 * node-redis alone, which adds to a stream and reads it, and does nothing else: as it comes, and without its comforts.
 *
 * One publishes, another follows, each in a process of its own (or a thread, or both in one). At first as fast as it goes, with
 * one message on its way at a time, and with more; then a steady few, for the time that one message takes. The homes take turns.
 *
 * Redis, or the process where the log is, has a core to itself, and those who publish and follow have another: left to the
 * system, which of them share a core changes from second to second, and with it the rate by half. `--anywhere` leaves it to it.
 *
 * Usage: npm run bench:logs -- [--messages 20000] [--rounds 5] [--depths 1,16,256] [--rate 200]
 *   [--homes limit,redis] [--anywhere]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Child, start } from '../support/child.js'
import { median, spread } from '../support/figures.js'
import { canPin, machine, pinned, versionOf } from '../support/machine.js'

const { values: given } = parseArgs({
  options: {
    /** A round, with more on their way than one; with one a quarter. */
    messages: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    /** How many are on their way at a time. */
    depths: { type: 'string', default: '1,16,256' },
    /** A second, for the time that one takes. */
    rate: { type: 'string', default: '200' },
    homes: { type: 'string', default: 'limit,raw,redis,processes,threads,memory' },
    /** Nothing is bound to a core. */
    anywhere: { type: 'boolean', default: false },
  },
})
const messages = Number(given.messages)
const rounds = Number(given.rounds)
const rate = Number(given.rate)
const depths = given.depths.split(',').map(Number)
const homes = given.homes.split(',')

const server = given.anywhere ? 'anywhere' : 'server'
const driver = given.anywhere ? 'anywhere' : 'driver'

/** Of the limit's rate, so much must be left. */
const floor = 0.7

interface Run {
  readonly began: number
  readonly ended: number
  readonly half: number
  readonly most: number
  readonly longest: number
}

const titles: Record<string, string> = {
  limit: 'node-redis alone',
  raw: 'node-redis, without its comforts',
  redis: 'Redis',
  processes: 'processes',
  threads: 'threads',
  memory: 'one event loop',
}

const folder = mkdtempSync(join(tmpdir(), 'bench-logs-'))
const redis = homes.some((home) => ['redis', 'limit', 'raw'].includes(home)) ? await redisServer() : undefined
try {
  await compare()
} finally {
  redis?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

/** With one at a time a quarter of them. */
function countAt(depth: number): number {
  return Math.ceil(depth === 1 ? messages / 4 : messages)
}

async function compare(): Promise<void> {
  const [computer, , node] = machine()
  const places =
    given.anywhere || !canPin
      ? 'nothing is bound to a core'
      : 'Redis, or the process of the log, on one core; who publishes and who follows on another; threads anywhere'
  console.log(`${computer}
${places}
${node}
node-redis ${versionOf('redis')}; messages of 100 bytes; medians of ${rounds} rounds of ${messages} messages
`)
  const children = new Map<string, Child>()
  for (const home of homes) {
    const role = home === 'threads' ? 'anywhere' : server
    const child = await start('logs/home.js', { role, args: [home, ...pinned(driver, [process.execPath])] })
    await child.ask('ready')
    children.set(home, child)
  }
  const taken = new Map<string, Run[]>()
  const steps: { count: number; depth?: number; rate?: number }[] = [
    ...depths.map((depth) => ({ depth, count: countAt(depth) })),
    { rate, count: Math.ceil(rate * 2) },
  ]
  for (const warmUp of steps)
    for (const child of children.values()) await child.ask('run', { ...warmUp, count: Math.ceil(warmUp.count / 4) })
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? homes : homes.toReversed()
    for (const step of steps) {
      for (const home of order) {
        const key = `${home} ${step.depth ?? 'steady'}`
        const run = await (children.get(home) as Child).ask<Run>('run', step)
        taken.set(key, [...(taken.get(key) ?? []), run])
      }
    }
  }
  for (const child of children.values()) await child.stop()
  report(taken)
}

function report(taken: ReadonlyMap<string, readonly Run[]>): void {
  const rates = (home: string, depth: number): number[] =>
    (taken.get(`${home} ${depth}`) ?? []).map(({ began, ended }) => (countAt(depth) / (ended - began)) * 1e6)
  const shown = (home: string, depth: number): string => {
    const all = rates(home, depth)
    const ratio = median(all) / median(rates('limit', depth))
    const share = Number.isFinite(ratio) ? ` (${ratio.toFixed(2)})` : ''
    return `${Math.round(median(all))} ±${Math.round(spread(all) * 100)} %${share}`
  }
  const steady = (home: string, of: 'half' | 'most'): string =>
    median((taken.get(`${home} steady`) ?? []).map((run) => run[of])).toFixed(2)
  const rows = [
    ['', ...depths.map((depth) => `${depth} at a time, a second`), 'p50, ms', 'p99, ms'],
    ['---', ...depths.map(() => '---:'), '---:', '---:'],
    ...homes.map((home) => [
      titles[home] ?? home,
      ...depths.map((depth) => shown(home, depth)),
      steady(home, 'half'),
      steady(home, 'most'),
    ]),
  ]
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  if (!homes.includes('limit') || !homes.includes('redis')) return
  const ratios = depths.map((depth) => median(rates('redis', depth)) / median(rates('limit', depth)))
  const least = Math.min(...ratios)
  console.log(`\nRedis has at least ${least.toFixed(2)} of the rate of node-redis alone; it must have ${floor}`)
  if (least < floor) process.exitCode = 1
}

/** Of our own, in memory. Its address goes to the processes that are started. */
async function redisServer(): Promise<ChildProcess> {
  const path = join(folder, 'redis.sock')
  const own = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', folder]
  const [command, ...rest] = pinned(server, ['redis-server', ...own, '--loglevel', 'warning'])
  const redis = spawn(command, rest, { stdio: 'ignore' })
  const failed = new Promise<never>((_, reject) => {
    redis.once('error', reject)
    redis.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
  })
  failed.catch(() => {})
  process.env['REDIS_URL'] = `unix://${path}`
  while (!existsSync(path)) await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 10))])
  return redis
}
