// One of several servers of the room, in a thread or in a process.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { gracefulShutdown } from 'koa-continuation'
import { PortLog } from 'koa-continuation/port'
import { RedisLog } from 'koa-continuation/redis'
import { createApp } from './app.js'

/** What a worker is begun with. */
export interface Job {
  /** Where Redis is, if the log is there; else it is the parent's. */
  readonly redis?: string
  readonly beat?: number
}

/** What it says, and what is said to it. */
export type Told = { readonly chat: 'open'; readonly port: number }
export type Order = { readonly chat: 'stop' }

const parent = parentPort ?? process
const { redis, beat }: Job = parentPort === null ? JSON.parse(process.argv[2] ?? '{}') : workerData

const log = redis === undefined ? new PortLog(parent) : new RedisLog({ url: redis })
const { app, hall, close } = createApp({ log, ...(beat !== undefined && { beat }) })
const server = createServer(app.callback())
const shutdown = gracefulShutdown(server, {
  drain: hall.channel,
  signals: [],
  timeout: 5_000,
  close: async () => {
    await close()
    await log.close()
  },
})

server.listen(0, '127.0.0.1', () => {
  const told: Told = { chat: 'open', port: (server.address() as AddressInfo).port }
  if (parentPort === null) process.send?.(told)
  else parentPort.postMessage(told)
})

parent.on('message', async (order: Partial<Order>) => {
  // the port carries the log, too
  if (order.chat !== 'stop') return
  await shutdown()
  process.exit()
})

if (parentPort === null) {
  process.on('disconnect', () => process.exit())
  // a Ctrl-C comes to all processes of the terminal; the parent says what is to be done
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
}
