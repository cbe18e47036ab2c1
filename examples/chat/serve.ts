import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { gracefulShutdown, MemoryLog } from 'koa-continuation'
import { LogOwner } from 'koa-continuation/port'
import { RedisLog } from 'koa-continuation/redis'
import { createApp } from './app.js'
import { balance } from './balance.js'
import type { Job, Order, Told } from './worker.js'

export const ways = ['loop', 'threads', 'processes', 'redis'] as const
export type Way = (typeof ways)[number]

export interface ServeOptions {
  readonly port: number
  /** How many threads, processes or servers. */
  readonly workers: number
  readonly redis: string
  readonly beat?: number
}

export interface Serving {
  readonly port: number
  /** Sends everybody home, and ends. */
  stop(): Promise<void>
}

/** Opens the room. The same app in every way: only where its log is differs, and who listens. */
export async function serve(way: Way, options: ServeOptions): Promise<Serving> {
  if (way === 'loop') return serveAlone(options)
  const { workers, redis, beat } = options
  const job: Job = { ...(way === 'redis' && { redis }), ...(beat !== undefined && { beat }) }
  if (way === 'redis') await checkRedis(redis)
  const owner = new LogOwner(new MemoryLog())
  const servers = Array.from({ length: workers }, () => new Server(way, job, owner))
  try {
    await Promise.all(servers.map(({ opened }) => opened))
    const balancer = await balance(options.port, () => servers.flatMap(({ port }) => port ?? []))
    return {
      port: balancer.port,
      async stop() {
        await Promise.all(servers.map((server) => server.stop()))
        await balancer.close()
        owner.close()
      },
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()))
    throw error
  }
}

async function serveAlone({ port, beat }: ServeOptions): Promise<Serving> {
  const { app, hall, close } = createApp({ log: new MemoryLog(), ...(beat !== undefined && { beat }) })
  const server = createServer(app.callback()).listen(port, '127.0.0.1')
  const stop = gracefulShutdown(server, { drain: hall.channel, signals: [], timeout: 5_000, close })
  try {
    await once(server, 'listening')
  } catch (error) {
    await close()
    throw error
  }
  return { port: (server.address() as AddressInfo).port, stop }
}

/** Milliseconds before one that did not even open is begun anew. */
const AGAIN = 1_000

/** One of several, begun anew when it ends. */
class Server {
  /** Where it listens; nowhere while it is not there. */
  port: number | undefined
  /** Resolves when it listens for the first time. */
  readonly opened: Promise<void>
  readonly #begin: () => ChildProcess | Worker
  #host: ChildProcess | Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(way: Way, job: Job, owner: LogOwner) {
    this.#begin = () => {
      const host =
        way === 'threads'
          ? new Worker(new URL('thread.js', import.meta.url), { workerData: job })
          : fork(fileURLToPath(new URL('worker.ts', import.meta.url)), [JSON.stringify(job)])
      if (way !== 'redis') owner.serve(host)
      return host
    }
    this.opened = new Promise((resolve, reject) => {
      this.#start(resolve, () => reject(new Error('A server of the room has ended before it had opened')))
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    const host = this.#host
    if (host === undefined) return
    const ended = once(host, 'exit')
    const order: Order = { chat: 'stop' }
    // one that is just beginning has nobody to send home
    if (this.port === undefined) await (host instanceof Worker ? host.terminate() : host.kill())
    else if (host instanceof Worker) host.postMessage(order)
    else host.send(order)
    await ended
  }

  #start(opened = (): void => {}, failed = (): void => {}): void {
    const host = this.#begin()
    this.#host = host
    host.on('message', (told: Partial<Told>) => {
      if (told.chat !== 'open') return
      this.port = told.port
      opened()
    })
    host.once('exit', () => {
      const wasOpen = this.port !== undefined
      this.port = undefined
      this.#host = undefined
      failed()
      if (!this.#isStopped) this.#timer = setTimeout(() => this.#start(), wasOpen ? 0 : AGAIN)
    })
  }
}

async function checkRedis(url: string): Promise<void> {
  const log = new RedisLog({ url, wait: 2_000 })
  try {
    await log.ready()
  } catch (error) {
    const { cause } = error as { cause?: { message?: string } }
    const why = cause?.message === undefined ? '' : ` (${cause.message})`
    throw new Error(`There is no Redis at ${url}${why}: start one, or say where it is by --redis`)
  } finally {
    await log.close()
  }
}
