// Runs one server of this folder: `node run.js ours/route.js`. Each of them gets Node's own HTTP server and answers on it
//   GET  /hold/<key>      when there is a message under the key
//   POST /publish/<key>   {"data":"<message>"} to all that wait under the key
//   GET  /probe           at once
import { createServer } from 'node:http'
import { answer, cpu } from '../support/answer.js'

const [file, timeout] = process.argv.slice(2)

// clients stay connected before they ask, and between rounds, for longer than Node's defaults
const server = createServer({ keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 })
const { attach } = await import(new URL(file, import.meta.url).href)
const { held } = attach(server, { timeout: Number(timeout) })
const listening = new Promise((resolve) => {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve(server.address().port))
})

answer({
  port: () => listening,
  held,
  cpu,
  /** Bytes of heap in use when nothing is left to collect. */
  async heap() {
    for (let time = 0; time < 2; time++) {
      globalThis.gc()
      await new Promise((resolve) => setImmediate(resolve))
    }
    globalThis.gc()
    return process.memoryUsage().heapUsed
  },
})
