import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { turn } from './gate.js'

/** Why the specs that need Redis are left out, for their titles; empty where they are not. */
export const noRedis =
  spawnSync('redis-server', ['--version']).status === 0 ? '' : ' (SKIPPED: there is no redis-server)'

export interface RedisServer {
  readonly url: string
  /** Of its socket. */
  readonly path: string
  readonly pid: number
  /** Ends it. What it keeps on disk is there when it is started again. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Throws away what it keeps on disk. Only while it is stopped. */
  empty(): void
  /** Nothing happens where it runs. */
  start(): Promise<void>
  /** One command, and its answer as it is on the wire. */
  ask(...args: string[]): Promise<string>
  /** Ends it, and leaves nothing behind. */
  close(): Promise<void>
}

const servers = new Set<ChildProcess>()
process.on('exit', () => {
  for (const server of servers) server.kill('SIGKILL')
})

/** A Redis of our own on a socket in a folder of its own. What is written is on disk before it is answered. */
export async function redisServer(...settings: string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const path = join(folder, 'redis.sock')
  let server: ChildProcess | undefined
  const isRunning = (): boolean => server !== undefined && server.exitCode === null && server.signalCode === null

  const start = async (): Promise<void> => {
    // a second one on the same socket would take it from the first, and whoever is connected by then not
    if (isRunning()) return
    const disk = ['--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always']
    const own = ['--port', '0', '--unixsocket', path, '--loglevel', 'warning', ...disk, ...settings]
    const started = spawn('redis-server', own, { stdio: 'ignore' })
    server = started
    servers.add(started)
    started.once('exit', () => servers.delete(started))
    const end = performance.now() + 10_000
    while ((await ask('PING').catch(() => '')) !== '+PONG\r\n') {
      if (started.exitCode !== null || performance.now() > end) throw new Error('redis-server does not start')
      await turn()
    }
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (server === undefined || !isRunning()) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }
  const ask = async (...args: string[]): Promise<string> => {
    const socket = connect(path).setEncoding('utf8')
    try {
      socket.write(`*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`)
      let answer = ''
      do answer += (await once(socket, 'data')) as unknown as string
      while (answer.length < Number(/^\$(\d+)/.exec(answer)?.[1] ?? 0))
      return answer
    } finally {
      socket.destroy()
    }
  }

  await start()
  return {
    url: `unix://${path}`,
    path,
    get pid() {
      return server?.pid ?? 0
    },
    start,
    stop,
    empty: () => rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true }),
    ask,
    async close() {
      await stop('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
