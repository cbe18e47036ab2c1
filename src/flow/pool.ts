import { AsyncResource } from 'node:async_hooks'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Transferable, Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { type Clock, invalid, LONGEST_TIMER } from '../koa/checks.js'
import { FAILED, type Failure, type Message } from './offload-thread.js'

type AllOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>

/** Of Piscina's options, those that are off-loading's own. */
const own = [
  'filename',
  'name',
  'minThreads',
  'maxThreads',
  'idleTimeout',
  'maxQueue',
  'taskQueue',
  'concurrentTasksPerWorker',
] as const satisfies (keyof AllOptions)[]

/** Of Piscina's options, the others. */
export type PiscinaOptions = Omit<AllOptions, (typeof own)[number]>

export interface PoolOptions {
  readonly threads: number
  readonly idle: number
  readonly patience: number
  readonly clock: Clock
  readonly options: PiscinaOptions
}

/** This side of it, in the form that this file has. */
const thread = fileURLToPath(new URL(`offload-thread${extname(import.meta.url)}`, import.meta.url))

/** A pool of threads, which are begun by its tasks, and tasks that can be ended with their thread. */
export class Pool {
  readonly #patience: number
  readonly #clock: Clock
  readonly #piscina: Piscina
  /** Threads outlive the request for which they are begun: they have nothing of its async context. */
  readonly #outside = AsyncResource.bind(<T>(act: () => T): T => act())
  /** How many more tasks may be in threads. */
  #room: number
  /** Lets the tasks in that wait for room, the first one first. */
  readonly #line = new Set<() => void>()
  /** Ends what is under way with an error. */
  readonly #underWay = new Set<(error: unknown) => void>()

  /** @throws {TypeError} `ERR_INVALID_OPTION` for options that Piscina does not take, or may not be given */
  constructor({ threads, idle, patience, clock, options }: PoolOptions) {
    this.#patience = patience
    this.#clock = clock
    this.#room = threads
    this.#piscina = started(options, threads, idle)
    this.#piscina.on('error', (error: Error) => {
      // where a thread cannot even begin, nobody would come for the tasks
      if (this.#piscina.threads.length > 0 || this.#underWay.size === 0) process.emitWarning(error)
      else this.#fail(error)
    })
    // of one that exits as it begins, without an error, no more is said than this; those that were in it have heard by the next turn
    this.#piscina.on('workerDestroy', () => {
      clock.nextTurn(() => {
        if (this.#piscina.threads.length === 0) this.#fail(new Error(none))
      })
    })
  }

  /**
   * Runs a function in a thread. Resolves or rejects as it does, and not before its thread has ended where it was aborted.
   *
   * A task that was aborted has `patience` milliseconds to come to its end: a new thread costs about as much. One that is
   * aborted before there is room for it never runs.
   */
  async run(message: Message, signal: AbortSignal, transferList: readonly Transferable[] = []): Promise<unknown> {
    if (this.#room > 0) this.#room--
    else await this.#enter(signal)
    try {
      signal.throwIfAborted()
      return await this.#inThread(message, signal, transferList)
    } finally {
      this.#leave()
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#piscina.destroy()
  }

  /**
   * Until there is room: in Piscina there are never more tasks than threads.
   *
   * In its own line, one that waits for a thread which is ended then would be forgotten.
   */
  #enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        this.#line.delete(enter)
        reject(signal.reason)
      }
      this.#line.add(enter)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  #leave(): void {
    const [next] = this.#line
    if (next === undefined) this.#room++
    else {
      this.#line.delete(next)
      next()
    }
  }

  async #inThread(message: Message, signal: AbortSignal, transferList: readonly Transferable[]): Promise<unknown> {
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
      if (this.#patience < Number.POSITIVE_INFINITY) timer = this.#clock.setTimeout(end, this.#patience, undefined)
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
    } catch (error) {
      // where no thread has come for it yet, none is to come
      stop.abort()
      throw error
    } finally {
      signal.removeEventListener('abort', aborted)
      this.#clock.clearTimeout(timer)
      if (failed !== undefined) this.#underWay.delete(failed)
      await ended
    }
  }

  #fail(error: unknown): void {
    for (const fail of this.#underWay) fail(error)
  }
}

function started(options: PiscinaOptions, threads: number, idle: number): Piscina {
  const taken = own.filter((name) => name in options)
  if (taken.length > 0) throw invalid('pool', `without ${taken.join(', ')}, which offload() sets`, options)
  // it hands the time to a timer, and one that is too long is over at once; of `Infinity` it makes none
  const idleTimeout = idle === Number.POSITIVE_INFINITY ? idle : Math.min(idle, LONGEST_TIMER)
  try {
    return new Piscina({ ...options, filename: thread, minThreads: 0, maxThreads: threads, idleTimeout })
  } catch (error) {
    throw invalid('pool', `what Piscina takes ("${(error as Error).message}")`, options)
  }
}

const none = 'No thread has begun: the last one has ended before it could take the task'
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
