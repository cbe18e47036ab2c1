import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { program } from '../../support/program.js'
import { redisServer } from '../../support/redis-server.js'
import type { Order, Told } from './primary.js'

export type Kind = 'threads' | 'processes' | 'redis'

/** Workers that serve one channel, with the log at their primary, which is a process of its own; or in Redis. */
export interface Crew {
  /** Where each listens; `undefined` while it is gone. */
  readonly urls: readonly (string | undefined)[]
  /** It is there, or there again. */
  present(worker: number): Promise<string>
  /** Ends it without a word, and waits for the one in its place. */
  kill(worker: number): Promise<void>
  /** It stands still, until it is let go on. */
  stop(worker: number): () => void
  /** Where the log is: the primary stands still, or Redis. */
  stopLog(): () => void
  /** Redis ends without a word, and is started again with its data. */
  restartLog(standstill: () => Promise<void>): Promise<void>
  end(): Promise<void>
}

/** @param timeout milliseconds that a worker waits for the log */
export async function crew(kind: Kind, size: number, timeout: number): Promise<Crew> {
  const [primaryFile, workerFile] = await Promise.all(
    ['primary.ts', 'worker.ts'].map((name) => program(new URL(name, import.meta.url))),
  )
  const redis = kind === 'redis' ? await redisServer() : undefined
  const threadOrProcess = kind === 'threads' ? 'thread' : 'process'
  const args = [threadOrProcess, String(size), String(workerFile), String(timeout), ...(redis ? [redis.url] : [])]
  const primary = fork(fileURLToPath(primaryFile as URL), args, { execArgv: [] })
  const urls: (string | undefined)[] = Array.from({ length: size }, () => undefined)
  const pids: number[] = []
  let waiting: (() => void)[] = []
  primary.on('message', ({ worker, pid, port }: Told) => {
    urls[worker] = `http://127.0.0.1:${port}/`
    pids[worker] = pid
    for (const wake of waiting) wake()
    waiting = []
  })
  const order = (what: Order): void => void primary.send(what)
  const signal = (pid: number): (() => void) => {
    process.kill(pid, 'SIGSTOP')
    return () => process.kill(pid, 'SIGCONT')
  }
  const present = async (worker: number): Promise<string> => {
    for (;;) {
      const url = urls[worker]
      if (url !== undefined) return url
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  for (let worker = 0; worker < size; worker++) await present(worker)
  return {
    urls,
    present,
    async kill(worker) {
      urls[worker] = undefined
      order({ kill: worker })
      await present(worker)
    },
    stop(worker) {
      if (kind !== 'threads') return signal(pids[worker] as number)
      order({ block: worker })
      return () => order({ unblock: worker })
    },
    stopLog: () => signal(redis?.pid ?? (primary.pid as number)),
    async restartLog(standstill) {
      await redis?.stop('SIGKILL')
      await standstill()
      await redis?.start()
    },
    async end() {
      const exit = once(primary, 'exit')
      primary.disconnect()
      await exit
      await redis?.close()
    },
  }
}
