/**
 * What qos() makes of an app to which 50 times as many requests come as it can serve, with handlers that throw, clients that
 * leave, and time that runs out; beside the same app at its best load without qos().
 *
 * Usage: npm run soak:qos -- [--seconds 60] [--factor 50] [--workers 10] [--work 300]
 */
import { parseArgs } from 'node:util'
import { type AppOptions, best, overload } from './overload/overload.js'
import { percentile } from './wire.js'

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    factor: { type: 'string', default: '50' },
    workers: { type: 'string', default: '10' },
    work: { type: 'string', default: '300' },
  },
})
const [seconds, factor, workers, work] = [given.seconds, given.factor, given.workers, given.work].map(Number) as [
  number,
  number,
  number,
  number,
]
const app: AppOptions = { workers, work, maxRequests: workers, maxSuspended: 1_024, timeout: 5_000, throws: 0 }

console.log(`Node ${process.version}: behind the app ${workers} are worked on at once, ${work} ms each`)
const without = await best(app, Math.min(10, seconds))
console.log(`without qos(): ${without.rate.toFixed(2)} a second at best, with ${without.atOnce} at once`)

const capacity = (workers * 1_000) / work
const load = { seconds, rate: factor * capacity, high: 0.01, patience: 3_000 }
const results: [name: string, holds: boolean][] = []
for (const [name, throws, leave] of [
  ['well-behaved', 0, 0],
  ['with throws and clients that leave', 0.05, 0.05],
] as const) {
  const { rate, answers, app: figures } = await overload({ ...app, throws }, { ...load, leave })
  const [high, low] = [percentile(answers.high, 0.99), percentile(answers.low, 0.99)]
  console.log(`
qos({ maxRequests: ${workers} }), ${load.rate.toFixed(0)} requests a second for ${seconds} s, ${name}
  ${answers.asked} requests; of them left ${answers.left}; answered ${JSON.stringify(answers.statuses)}
  at once in the handler at most ${figures.most}; when all is over ${figures.running} run and ${figures.suspended} wait
  urgent ones: p50 ${percentile(answers.high, 0.5).toFixed(0)} ms, p99 ${high.toFixed(0)} ms of ${answers.high.length} served
  the others:  p50 ${percentile(answers.low, 0.5).toFixed(0)} ms, p99 ${low.toFixed(0)} ms of ${answers.low.length} served
  ${rate.toFixed(2)} a second worked on, ${(rate / without.rate).toFixed(3)} of the best without qos()`)
  results.push(
    [`${name}: never more than ${workers} at once`, figures.most === workers],
    [`${name}: every permit is back`, figures.running === 0 && figures.suspended === 0],
    [`${name}: the urgent ones' p99 is at most a fifth`, high <= low / 5],
    [`${name}: throughput at least 0.95`, rate / without.rate >= 0.95],
  )
}
console.log()
for (const [name, holds] of results) console.log(`${holds ? 'holds' : 'FAILS'}  ${name}`)
process.exit(results.every(([, holds]) => holds) ? 0 : 1)
