import type { ChildProcess } from 'node:child_process'
import type { Worker as ClusterWorker } from 'node:cluster'
import type { MessagePort, Worker } from 'node:worker_threads'
import { invalid } from '../../core/options.js'

/**
 * A way between two threads or processes of a machine. What it carries comes whole and in order, or not at all.
 *
 * On the one end a `Worker`, `ChildProcess` or `cluster.Worker`; on the other `parentPort` or `process`. Or both ends of a
 * `MessageChannel`; or anything that has `postMessage`, and tells of each `message`, and by `close` of its end.
 */
export type Port = MessagePort | Worker | ChildProcess | ClusterWorker | NodeJS.Process | PostingPort

/** A thread, a process or a channel between them, as far as a log uses it. */
export interface PostingPort {
  postMessage(message: unknown): void
  on(event: 'message' | 'close', listener: (message?: unknown) => void): unknown
  off(event: 'message' | 'close', listener: (message?: unknown) => void): unknown
}

/** One end of a port, listened to. */
export interface Line {
  post(message: object): void
  /** Listens no longer. The port stays open: it is not ours. */
  hangUp(): void
}

interface Emitter {
  on(event: string, listener: (message?: unknown) => void): unknown
  off(event: string, listener: (message?: unknown) => void): unknown
}

interface SendingPort extends Emitter {
  send(message: object, callback: (error: Error | null) => void): unknown
  readonly connected?: boolean
}

/**
 * @param ended called once, when the port is closed or the other side has ended; at once where that is so already
 * @throws {TypeError} `ERR_INVALID_OPTION` for what is no port, such as the `process` of one that was not forked
 */
export function listen(port: Port, heard: (message: unknown) => void, ended: () => void): Line {
  const kind = kindOf(port)
  const emitter = port as Emitter
  let listening = true
  const hangUp = (): void => {
    listening = false
    emitter.off('message', heard)
    for (const event of ends[kind]) emitter.off(event, end)
  }
  const end = (): void => {
    if (!listening) return
    hangUp()
    ended()
  }
  emitter.on('message', heard)
  for (const event of ends[kind]) emitter.on(event, end)
  if (kind === 'posting') return { post: (message) => (port as PostingPort).postMessage(message), hangUp }
  const sending = port as unknown as SendingPort
  if (sending.connected === false) queueMicrotask(end)
  // with a callback, what cannot be sent is told to it, and is no error event of the process
  return { post: (message) => void sending.send(message, (error) => error && end()), hangUp }
}

/** Of a thread its `Worker` tells by `exit`, and its port by `close`; of a process, that nothing more comes from it. */
const ends = { posting: ['close', 'exit'], sending: ['disconnect', 'exit'] }

function kindOf(port: Port): keyof typeof ends {
  const has = (name: string): boolean =>
    typeof (port as unknown as Record<string, unknown> | null)?.[name] === 'function'
  if (has('on') && has('off')) {
    if (has('postMessage')) return 'posting'
    if (has('send')) return 'sending'
  }
  throw invalid('A port', 'a MessagePort, a worker, or a process with a channel to its parent', port)
}
