// What readers cost that take nothing: `npx tsx --expose-gc spec/soak/stalled.ts [readers] [megabytes]`
import { connect, type Socket } from 'node:net'
import Koa from 'koa'
import { Channel, continuations } from '../../src/index.js'
import { until } from '../support/gate.js'
import { serve } from '../support/serve.js'

const [readers = 200, megabytes = 100] = process.argv.slice(2).map(Number)
const channel = new Channel('stalled', { stream: { stall: 3_600_000, heartbeat: 3_600_000, age: 3_600_000 } })
const served = await serve(new Koa().use(continuations()).use(channel.subscriber()))

const sockets: Socket[] = []
for (let n = 0; n < readers; n++) {
  const socket = connect(served.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
  sockets.push(socket)
}
await until(() => channel.size === readers)

const kilobytes = (): number => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return Math.round((heapUsed + external) / 1_024)
}
const before = kilobytes()
const message = 'x'.repeat(10_000)
const count = Math.ceil((megabytes * 1_048_576) / 10_000)
for (let n = 0; n < count; n++) {
  await channel.publish(message)
  if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
}
const after = kilobytes()
const backlog = 1_048_576 / 1_024
console.log(
  `Node ${process.version}: ${readers} stalled readers, ${megabytes} MB published, ${channel.waiters.size} still reading`,
)
console.log(`heap and buffers before ${before} KB, after ${after} KB; of that the backlog at most ${backlog} KB`)
console.log(`a stalled reader costs ${((after - before - backlog) / readers).toFixed(1)} KB in the process`)
for (const socket of sockets) socket.destroy()
await served.close()
process.exit((after - before - backlog) / readers < 256 ? 0 : 1)
