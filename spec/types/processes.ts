// Compiled, never run: what an editor and a compiler must say of what is shared between threads and processes.
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import { MessageChannel, parentPort, Worker } from 'node:worker_threads'
import { Channel, ContinuationManager, Hub, type Log, LogError, MemoryLog, Relay } from 'koa-continuation'
import { LogOwner, type Port, PortLog } from 'koa-continuation/port'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

const owner = new LogOwner(new MemoryLog(), { name: 'a' })
const { port1, port2 } = new MessageChannel()
const ports: Port[] = [port1, port2, new Worker(''), fork(''), cluster.fork(), process]
const stops: (() => void)[] = ports.map((port) => owner.serve(port))
for (const stop of stops) stop()
cluster.on('fork', (worker) => owner.serve(worker))

// of one's own: what has postMessage, and tells of messages and of its end
class Wire extends EventEmitter {
  postMessage(_message: unknown): void {}
}
owner.serve(new Wire())

const log: Log = new PortLog(parentPort, { timeout: 1_000, wait: 0 })
new PortLog(process).attach(port1)
new Hub({ log })
new Channel('a', { log })
// @ts-expect-error it has no such option
new PortLog(process, { patience: 5 })
// @ts-expect-error that is no port
owner.serve({})

const relay = new Relay(new ContinuationManager(), log, {
  gather: 0,
  onTrouble: (error) => same<typeof error, Error>(true),
})
const receipt = await relay.resume('a', { n: 1 })
same<typeof receipt.elsewhere, number | undefined>(true)
await relay.broadcast()
await relay.complete()
await relay.fail(null, new LogError('ERR_LOG_AWAY', 'away'))
// @ts-expect-error a key is what JSON holds
await relay.resume({})
// @ts-expect-error and how many cannot be told to several processes
await relay.resume('a', {}, 1)
// @ts-expect-error what crosses is an error
await relay.fail('a', 'text')
