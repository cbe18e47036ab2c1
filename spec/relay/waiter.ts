// In a thread or a process of its own: requests wait here, and are woken from anywhere.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort } from 'node:worker_threads'
import Koa from 'koa'
import { ContinuationManager, continuations, Relay } from '../../src/index.js'
import { PortLog } from '../../src/log/port/index.js'

const port = parentPort ?? process
const tell = (message: object): void => {
  if (parentPort === null) process.send?.(message)
  else parentPort.postMessage(message)
}
const clients = new ContinuationManager()
const relay = new Relay(clients, new PortLog(port))

const app = new Koa().use(continuations()).use(async (ctx) => {
  const { continuation } = ctx
  if (ctx.method === 'POST') ctx.body = await relay.resume('key', { message: ctx.query['message'] })
  else {
    const waiting = continuation.wait()
    clients.stash(continuation, 'key')
    tell({ waits: true })
    await waiting
    ctx.body = continuation.getAttribute('message')
  }
})
const server = createServer(app.callback())

port.on('message', async ({ listen, end }: { listen?: true; end?: true }) => {
  if (end) process.exit()
  if (!listen) return
  await relay.ready()
  server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))
})
