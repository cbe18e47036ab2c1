import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'

const store = createApp()
const server = store.app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

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

gracefulShutdown(server, { drain: store })
