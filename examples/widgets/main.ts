import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'
import { simulate } from './simulate.js'

/** A file in which the widgets outlive the server. */
const file = process.env['STATE']
const initial = file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}

const { app, board } = createApp({ initial })
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
let stop = (): void => {}

server.on('listening', () => {
  stop = simulate(board)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Widgets are on ${url}

Open it in two tabs, and change something in one of them, or from a terminal:

  curl --json '{"sign": "Fresh scones", "status": "busy"}' ${url}/widgets
  curl -d sign=Hello ${url}/widgets
  curl -N -H 'Accept: text/event-stream' ${url}/changes
`)
})

server.on('error', (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
})

gracefulShutdown(server, {
  drain: board.channel,
  close: async () => {
    stop()
    if (file !== undefined) writeFileSync(file, JSON.stringify((await board.state()).widgets))
    await board.channel.close()
  },
})
