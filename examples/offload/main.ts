import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'

const { app, boundary, hashing } = createApp()
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

server.on('listening', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Hashing listens on ${url}

Watch the event loop in one terminal, and hash from another, in threads and then without:

  while sleep 0.5; do curl -s ${url}/probe; echo; done
  curl --json '{"password": "correct horse", "rounds": 40}' ${url}/hash
  curl --json '{"password": "correct horse", "rounds": 40}' ${url}/hash/blocking
`)
})

server.on('error', (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
})

gracefulShutdown(server, { drain: boundary, close: hashing.close })
