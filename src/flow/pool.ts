import { AsyncResource } from 'node:async_hooks'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Transferable, Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Clock } from '../koa/checks.js'
import { FAILED, type Failure, type Message } from './offload-thread.js'

/** Of Piscina's options, those that are not off-loading's own. */
export type PiscinaOptions = Omit<
  NonNullable<ConstructorParameters<typeof Piscina>[0]>,
  | 'filename'
  | 'name'
  | 'minThreads'
  | 'maxThreads'
  | 'idleTimeout'
  | 'maxQueue'
  | 'taskQueue'
  | 'concurrentTasksPerWorker'
>

export interface PoolOptions {
  readonly threads: number
  readonly idle: number
  readonly patience: number
  readonly clock: Clock
  readonly options: PiscinaOptions
}

/** Piscina hands it to a timer, and one of more is over at once; of `Infinity` it makes none. */
const LONGEST_TIMER = 2 ** 31 - 1

/** This side of it, in the form that this file has. */
const thread = fileURLToPath(new URL(`offload-thread${extname(import.meta.url)}`, import.meta.url))

/** A pool of threads that is started by its first task, and tasks that can be ended with their thread. */
export class Pool {
  readonly #options: PoolOptions
  #piscina: Piscina | undefined
  /** Threads outlive the request for which they are begun: they have nothing of its async context. */
  readonly #outside = AsyncResource.bind(<T>(act: () => T): T => act())
  /** Ends what is under way with an error. */
  readonly #underWay = new Set<(error: unknown) => void>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /**
   * Runs a function in a thread. Resolves or rejects as it does, and not before its thread has ended where it was aborted.
   *
   * A task that was aborted has `patience` milliseconds to come to its end: a new thread costs about as much.
   */
  async run(message: Message, signal: AbortSignal, transferList: readonly Transferable[] = []): Promise<unknown> {
    const { clock, patience } = this.#options
    this.#piscina ??= this.#outside(() => this.#start())
    const piscina = this.#piscina
    const stop = new AbortController()
    let ended: Promise<unknown> | undefined
    const end = (): void => {
      const { threads } = piscina
      stop.abort()
      const gone = threads.filter((thread) => !piscina.threads.includes(thread))
      ended = Promise.all(gone.map((thread: Worker) => once(thread, 'exit')))
    }
    let timer: unknown
    const aborted = (): void => {
      if (patience < Number.POSITIVE_INFINITY) timer = clock.setTimeout(end, patience, undefined)
    }
    signal.addEventListener('abort', aborted, { once: true })
    let failed: ((error: unknown) => void) | undefined
    try {
      const answer = await new Promise((resolve, reject) => {
        failed = reject
        this.#underWay.add(reject)
        const running = this.#outside(() =>
          piscina.run(message, { signal: stop.signal, transferList: [...transferList] }),
        )
        running.then(resolve, (error) => reject(saysWhy(error) ? error : new Error(lost, { cause: error })))
      })
      if (isFailure(answer)) throw revived(answer)
      return answer
    } finally {
      signal.removeEventListener('abort', aborted)
      clock.clearTimeout(timer)
      if (failed !== undefined) this.#underWay.delete(failed)
      await ended
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#piscina?.destroy()
  }

  #start(): Piscina {
    const { threads, idle, options } = this.#options
    const idleTimeout = idle === Number.POSITIVE_INFINITY ? idle : Math.min(idle, LONGEST_TIMER)
    const piscina = new Piscina({ ...options, filename: thread, minThreads: 0, maxThreads: threads, idleTimeout })
    piscina.on('error', (error: Error) => {
      // where a thread cannot even begin, nobody would come for the tasks
      if (piscina.threads.length > 0 || this.#underWay.size === 0) process.emitWarning(error)
      else for (const fail of this.#underWay) fail(error)
    })
    return piscina
  }
}

const lost = 'The thread has ended without an answer: was there something in it that cannot be copied?'

/** Of a thread that could not send its answer some Nodes say nothing, and some hand over an empty error. */
function saysWhy(error: unknown): boolean {
  return error instanceof Error && error.message !== ''
}

function isFailure(answer: unknown): answer is Failure {
  return typeof answer === 'object' && answer !== null && FAILED in answer
}

function revived({ error, properties }: Failure): unknown {
  return error instanceof Error ? Object.assign(error, properties) : error
}
