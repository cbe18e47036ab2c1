/**
 * Honest clients beside an attacker with many connections from a few addresses, who holds, trickles, aborts and floods; before an
 * app with throttle(), qos() and continuations(). How long the honest ones wait, before and under the attack, and the memory.
 *
 * Usage: npm run soak:attack -- [--connections 10000] [--clients 100] [--seconds 60] [--addresses 10] [--work 20]
 */
import { parseArgs } from 'node:util'
import { machine } from '../../bench/support/machine.js'
import { attack } from './attack/attack.js'
import { percentile } from './wire.js'

const { values: given } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    clients: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '60' },
    addresses: { type: 'string', default: '10' },
    work: { type: 'string', default: '20' },
  },
})
const [connections, clients, seconds, addresses, work] = [
  given.connections,
  given.clients,
  given.seconds,
  given.addresses,
  given.work,
].map(Number) as [number, number, number, number, number]

const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MB`
console.log(
  `${clients} honest clients beside ${connections} connections from ${addresses} addresses, which come at a thousand a second
${machine()
  .filter((fact) => !/core \d/.test(fact))
  .join(', ')}; the clients on core 1`,
)
const phases = await attack({
  clients,
  connections,
  addresses,
  work,
  seconds: [Math.min(20, seconds), seconds, 10],
  pause: 2_000,
})
for (const { name, seconds, honest, server, attack } of phases) {
  const { statuses, connections, held, running, suspended, delayed, most, rss, heap, cpu, loop, clients } = server
  const at = (share: number): string => `${percentile(honest.waits, share).toFixed(1)} ms`
  console.log(`
${name}, ${seconds} s
  honest: ${honest.waits.length} served, p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}; not served ${JSON.stringify(honest.failed)}
          ${honest.connecting.length} who had to connect, most ${percentile(honest.connecting, 1).toFixed(1)} ms
  server: ended ${JSON.stringify(statuses)}; at once in the handler at most ${most}; processor ${(cpu / 1_000).toFixed(1)} s in all
          at the end ${connections} connections, ${held} held, ${running} run, ${suspended} wait, ${delayed} put off, ${clients} clients known
          heap and buffers ${megabytes(heap)}, resident ${megabytes(rss)}; event loop delay p99 ${loop.toFixed(1)} ms
  attack: begun ${JSON.stringify(attack)}`)
}
const [quiet, under, after] = phases.map(({ honest: { waits, connecting } }) => {
  return percentile([...waits, ...connecting], 0.99)
}) as [number, number, number]
const [connected, , connectedAfter] = phases.map(({ honest }) => percentile(honest.waits, 0.99)) as [
  number,
  number,
  number,
]
// before libuv 1.52 Node accepts one connection in a turn of its loop, however many wait: thousands that close make long turns
const [major = 0, minor = 0] = process.versions.uv.split('.').map(Number)
const acceptsMany = major > 1 || minor >= 52
const heaps = phases.map(({ server }) => server.heap) as [number, number, number]
const results: [name: string, holds: boolean][] = [
  [`the honest ones' p99 is ${(under / quiet).toFixed(2)} times the quiet one, of at most 3`, under <= 3 * quiet],
  ['no honest request failed', phases.every(({ honest }) => Object.keys(honest.failed).length === 0)],
  [`at most ${megabytes(256 * 1_048_576)} of heap and buffers more`, heaps[1] - heaps[0] < 256 * 1_048_576],
  [
    `after it, p99 of the connected is ${(connectedAfter / connected).toFixed(2)} times the quiet one, of at most 3`,
    connectedAfter <= 3 * connected,
  ],
  [`with those who connect it is ${(after / quiet).toFixed(2)} times the quiet one, of at most 3`, after <= 3 * quiet],
]
console.log()
for (const [name, holds] of results) console.log(`${holds ? 'holds' : 'FAILS'}  ${name}`)
if (!acceptsMany)
  console.log('this Node accepts one connection in a turn of its loop, for which those who connect have to wait')
process.exit(results.every(([, holds]) => holds) ? 0 : 1)
