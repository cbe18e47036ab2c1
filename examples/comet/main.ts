import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'

const { app, boundary } = createApp()
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

server.on('listening', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Comet listens on ${url}

Open it in two tabs, or wait in one terminal, and publish from another:

  curl -i ${url}/subscribe
  curl -d message=hello ${url}/publish
  curl ${url}/waiting
`)
})

server.on('error', (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
})

gracefulShutdown(server, { drain: boundary })
