import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'
import { createServices } from './services.js'

const urlOf = (address: unknown): string => `http://127.0.0.1:${(address as AddressInfo).port}`

const services = createServices()
await new Promise<void>((resolve) => services.listen(0, '127.0.0.1', resolve))

const { app, boundary } = createApp(urlOf(services.address()))
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

const close = (): void => {
  services.close()
  services.closeAllConnections()
}

server.on('listening', () => {
  const url = urlOf(server.address())
  console.log(`Trips are on ${url}

Open it and reload, or ask from a terminal: what has not answered within a second is missing.

  curl ${url}/trip/Porto
  for n in $(seq 200); do curl -s ${url}/trip/Porto | grep -o 'missing.*' & done; wait
`)
})

server.on('error', (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
  close()
})

gracefulShutdown(server, { drain: boundary, close })
