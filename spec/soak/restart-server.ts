// One of several servers of the same channel, whose log lives in the parent. Says its port; ends in good order at SIGTERM.
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { Channel, continuations, gracefulShutdown } from '../../src/index.js'
import { PortLog } from '../../src/log/port/index.js'

const log = new PortLog(process)
const channel = new Channel('news', { log })
const boundary = continuations()
const app = new Koa().use(boundary).use(channel.subscriber())
// a refusal is an answer, and is counted by those who get it
app.silent = true
const server = app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})

process.on('message', ({ tellWhenHeld }: { tellWhenHeld?: number }) => {
  if (tellWhenHeld === undefined) return
  const look = (): void => {
    if (channel.waiters.size === tellWhenHeld) process.send?.({ held: tellWhenHeld })
    else setImmediate(look)
  }
  look()
})

gracefulShutdown(server, {
  drain: [boundary, channel],
  close: async () => {
    await channel.close()
    await log.close()
    process.disconnect()
  },
})
