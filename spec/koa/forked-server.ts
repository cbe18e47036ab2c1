// In a process of its own, with a channel to the one that has begun it: a server that ends at SIGTERM.
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { continuations, gracefulShutdown } from '../../src/index.js'

const boundary = continuations()
const app = new Koa()
app.use(boundary)
app.use((ctx) => {
  const { continuation } = ctx
  if (continuation.isInitial()) {
    process.send?.({ held: ctx.path })
    continuation.suspend()
  } else ctx.body = 'nothing yet'
})

const server = app.listen(0, '127.0.0.1', () =>
  process.send?.({ port: String((server.address() as AddressInfo).port) }),
)
// whoever listens there keeps the process alive, as a cluster does in its workers
process.on('message', () => {})
gracefulShutdown(server, { drain: boundary, timeout: 2 ** 31 - 1 })
