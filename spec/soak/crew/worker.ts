// One of the workers: serves a channel whose log lives with the primary, or in Redis.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import Koa from 'koa'
import { Channel, continuations, LogError } from '../../../src/index.js'
import { PortLog } from '../../../src/log/port/index.js'
import { RedisLog } from '../../../src/log/redis/index.js'

const port = parentPort ?? process
const { timeout, block } = (workerData as { timeout: string; block: Int32Array } | null) ?? { timeout: process.argv[2] }
const redis = process.argv[3]
const log =
  redis === undefined
    ? new PortLog(port, { timeout: Number(timeout) })
    : new RedisLog({ url: redis, wait: Number(timeout), timeout: Number(timeout) })
const channel = new Channel('faults', { log, backlog: { messages: 10_000_000, bytes: 1_000_000_000 } })

const app = new Koa()
app.silent = true
app.use(async (ctx, next) => {
  try {
    await next()
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    ctx.status = error.status
    ctx.body = { error: { code: error.code, inDoubt: error.inDoubt } }
  }
})
app.use(continuations())
const [subscriber, publisher] = [channel.subscriber(), channel.publisher()]
app.use((ctx, next) => (ctx.method === 'POST' ? publisher : subscriber)(ctx, next))

port.on('message', (message: { block?: true; exit?: true }) => {
  // without a word: what it was in the middle of ends with it
  if (message.exit) process.exit()
  // as a thread that is in the middle of something long
  if (message.block && block !== undefined) Atomics.wait(block, 0, 1)
})
if (parentPort === null) process.on('disconnect', () => process.exit())

const server = createServer(app.callback())
server.listen(0, '127.0.0.1', () => {
  const told = { port: (server.address() as AddressInfo).port }
  if (parentPort === null) process.send?.(told)
  else parentPort.postMessage(told)
})
