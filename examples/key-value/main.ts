import type { AddressInfo } from 'node:net'
import { createApp } from './app.js'

const { app, drain } = createApp()
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

server.on('listening', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Key-value listens on ${url}

Get a key in one terminal, and set it from another:

  curl '${url}/get?key=answer&wait=60'
  curl --json '{"key": "answer", "value": 42}' ${url}/set
`)
})

server.on('error', (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    server.close()
    await drain()
    // what is left is connections on which nobody waits
    server.closeAllConnections()
  })
}
