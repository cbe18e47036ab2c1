// An app with an attacker before it.

import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import { type Qos, qos } from '../../../src/flow/qos.js'
import { type Throttle, throttle } from '../../../src/flow/throttle.js'
import { ContinuationManager, continuations } from '../../../src/index.js'
import { answer } from '../child.js'
import type { ServerFigures } from './attack.js'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const delay = monitorEventLoopDelay({ resolution: 5 })
const clients = new ContinuationManager()
const statuses: Record<string, number> = {}
let rate: Throttle
let limit: Qos
let most = 0
let connections = 0
let inHandler = 0

async function open({ work }: { work: number }): Promise<number> {
  const app = new Koa()
  const router = new Router()
  app.silent = true
  // the attackers come from loopback addresses, which are let through by default
  const clientId = (ctx: Koa.Context): string => ctx.ip
  rate = throttle({ rate: 20, burst: 40, penalty: 5_000, clientId })
  limit = qos({ maxRequests: 50, timeout: 5_000 })
  router.all('/work', async (ctx) => {
    most = Math.max(most, ++inHandler)
    await sleep(work)
    inHandler--
    ctx.body = 'done'
  })
  router.get('/hold', (ctx) => {
    if (!ctx.continuation.isInitial()) {
      ctx.body = null
      return
    }
    ctx.continuation.suspend(30_000)
    clients.stash(ctx.continuation)
  })
  app.use(rate)
  app.use(limit)
  app.use(continuations({ clientId }))
  app.use(bodyParser())
  app.use(router.routes())
  app.use((ctx) => {
    ctx.body = 'nothing'
  })
  const server = app.listen(0, '127.0.0.1', 8_192)
  server.on('request', (_, res) => {
    res.once('close', () => {
      const status = res.writableFinished ? String(res.statusCode) : 'left'
      statuses[status] = (statuses[status] ?? 0) + 1
    })
  })
  server.on('connection', (socket) => {
    connections++
    socket.once('close', () => connections--)
  })
  await new Promise((resolve) => server.once('listening', resolve))
  delay.enable()
  return (server.address() as AddressInfo).port
}

function figures(): ServerFigures {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const told = {
    statuses: { ...statuses },
    connections,
    held: clients.size,
    running: limit.running,
    suspended: limit.suspended,
    delayed: rate.delayed,
    clients: rate.clients,
    most,
    rss,
    heap: heapUsed + external,
    cpu: (user + system) / 1_000,
    loop: delay.percentile(99) / 1e6,
  }
  delay.reset()
  for (const status of Object.keys(statuses)) delete statuses[status]
  return told
}

answer({ open, figures })
