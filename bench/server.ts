import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, start } from './support/child.js'
import { hasProc, pinned, type Role } from './support/machine.js'
import { cpuOf, residentOf } from './support/usage.js'
import type { Launch, Way } from './ways.js'

/** A server under test. */
export interface Server {
  readonly port: number
  /** Microseconds of processor time so far. */
  cpu(): Promise<number>
  /** Bytes resident, and bytes of heap where that can be told: both when nothing is left to collect. */
  memory(): Promise<{ resident: number; heap: number }>
  /** Resolves when it has nothing more to do: when it takes less than a share of its core, by default 0.05. */
  settled(share?: number): Promise<void>
  /** Resolves when it holds as many and has nothing more to do. */
  holds(count: number): Promise<void>
  stop(): Promise<void>
}

/** More options of Node for the servers, as `--cpu-prof`. */
const moreOptions = process.env['BENCH_SERVER_OPTIONS']?.split(' ') ?? []

/** How a server is run. */
export interface Serving {
  /** Options of Node. */
  readonly nodeOptions: readonly string[]
  /** Milliseconds that whoever has a time limit holds a request. Default longer than any round. */
  readonly timeout?: number
  /** Where it runs. Default on the core for servers. */
  readonly role?: Role
}

const longerThanAnyRound = 60_000

/** Milliseconds of quiet that show that a server is done. */
const quiet = 20

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function openServer({ file, launch }: Way, serving: Serving): Promise<Server> {
  return launch === undefined ? openNode(file as string, serving) : openOther(launch)
}

async function openNode(
  file: string,
  { nodeOptions, timeout = longerThanAnyRound, role = 'server' }: Serving,
): Promise<Server> {
  const child = await start('servers/run.js', {
    role,
    args: [`./${file}`, String(timeout)],
    options: ['--expose-gc', ...nodeOptions, ...moreOptions],
  })
  const server = common(child, () => child.ask<number>('cpu'))
  return {
    ...server,
    port: await child.ask<number>('port'),
    async holds(count) {
      await reaches(count, () => child.ask<number>('held'))
      await server.settled()
    },
    async memory() {
      const heap = await child.ask<number>('heap')
      return { heap, resident: hasProc ? residentOf(child.pid) : Number.NaN }
    },
    stop: () => child.stop(),
  }
}

async function openOther(launch: Launch): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const port = await freePort()
  const [command, ...args] = pinned('server', launch.command({ port, folder, timeout: longerThanAnyRound }))
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      if (said.length < 10_000) said += chunk
    })
  }
  const exit = once(child, 'exit')
  // those of Node end with the harness by themselves
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  await listens(port, () => {
    if (child.exitCode !== null) throw new Error(`${command} ${args.join(' ')} does not run: ${said}`)
  })
  const server = common({ pid: child.pid as number }, async () => Number.NaN)
  return {
    ...server,
    port,
    async holds(count) {
      await reaches(count, async () => {
        const said = await (await fetch(`http://127.0.0.1:${port}/held`)).text()
        return Number(/^\d+$|(?<=subscribers: )\d+/.exec(said)?.[0])
      })
      await server.settled()
    },
    memory: async () => ({ heap: Number.NaN, resident: residentOf(child.pid as number) }),
    async stop() {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await exit
      clearTimeout(late)
      process.off('exit', kill)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function common({ pid }: Pick<Child, 'pid'>, own: () => Promise<number>): Pick<Server, 'cpu' | 'settled'> {
  const cpu = async (): Promise<number> => (hasProc ? cpuOf(pid) : own())
  return {
    cpu,
    async settled(share = 0.05) {
      for (let calm = 0, used = await cpu(), tries = 0; calm < 2 && tries < 1_500; tries++) {
        await pause(quiet)
        const now = await cpu()
        calm = now - used < quiet * 1000 * share ? calm + 1 : 0
        used = now
      }
    },
  }
}

async function reaches(count: number, ask: () => Promise<number>): Promise<void> {
  let held = Number.NaN
  for (let tries = 0; tries < 1_500; tries++) {
    held = await ask()
    if (held === count) return
    await pause(quiet)
  }
  throw new Error(`a server holds ${held} requests, and not ${count}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Resolves when somebody accepts connections. */
async function listens(port: number, check: () => void): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    check()
    const socket = connect({ port, host: '127.0.0.1' })
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await pause(50)
  }
  throw new Error(`nobody listens on port ${port}`)
}
