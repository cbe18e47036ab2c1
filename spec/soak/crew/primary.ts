// A process that owns a log in memory, with workers that use it from threads or processes of their own (or one in Redis), and
// are started anew when they end. Told by its parent what to do to them.
import { type ChildProcess, fork } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { MemoryLog } from '../../../src/log/memory.js'
import { LogOwner } from '../../../src/log/port/index.js'

/** To the primary. */
export type Order = { kill: number } | { block: number } | { unblock: number }

/** From the primary: a worker is there, where it listens, and its process. */
export interface Told {
  readonly worker: number
  readonly pid: number
  readonly port: number
}

const [kind, count, file, timeout, ...redis] = process.argv.slice(2) as [string, string, string, string]
const owner = new LogOwner(new MemoryLog())
const workers: (Worker | ChildProcess)[] = []
const blocks: Int32Array[] = []

function begin(place: number): void {
  const block = new Int32Array(new SharedArrayBuffer(4))
  const worker =
    kind === 'thread'
      ? new Worker(new URL(file), { workerData: { timeout, block }, execArgv: [] })
      : fork(new URL(file), [timeout, ...redis], { execArgv: [] })
  workers[place] = worker
  blocks[place] = block
  owner.serve(worker)
  worker.on('message', ({ port }: { port?: number }) => {
    if (port === undefined) return
    const told: Told = { worker: place, pid: (worker as ChildProcess).pid ?? process.pid, port }
    process.send?.(told)
  })
  worker.on('exit', () => begin(place))
}

process.on('message', (order: Order) => {
  if ('kill' in order) {
    const worker = workers[order.kill]
    // terminate() in the middle of the reading of a request ends the whole process: a fatal error of Node's own HTTP parser
    if (worker instanceof Worker) worker.postMessage({ exit: true })
    else worker?.kill('SIGKILL')
  } else if ('block' in order) {
    const block = blocks[order.block] as Int32Array
    Atomics.store(block, 0, 1)
    ;(workers[order.block] as Worker).postMessage({ block: true })
  } else {
    const block = blocks[order.unblock] as Int32Array
    Atomics.store(block, 0, 0)
    Atomics.notify(block, 0)
  }
})
process.on('disconnect', () => process.exit())

for (let place = 0; place < Number(count); place++) begin(place)
