import { availableParallelism } from 'node:os'
import { basename, extname, isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import {
  type Clock,
  checkClock,
  checkCount,
  checkFunction,
  checkOptions,
  checkRange,
  invalid,
  systemClock,
} from '../koa/checks.js'
import type { Continuation } from '../koa/decided.js'
import type { Job, JobOptions, ReturnWhenOptions } from '../koa/lanes.js'
import { Lane, type LaneOptions, type LaneStats, type RunOptions } from './lane.js'
import { type PiscinaOptions, Pool } from './pool.js'
import { returnWhen } from './return-when.js'
import { mayBeLetGo, waitFor } from './wait-for.js'

export { LaneError } from './lane-error.js'
export type { JobOptions, LaneStats, PiscinaOptions, ReturnWhenOptions, RunOptions }

/** How many threads there are, and what Piscina is told beside. */
export interface OffloadOptions extends Partial<Omit<LaneOptions, 'concurrency'>> {
  /** What the function is called: in errors, and as the attribute that says how it went. Default the file's name. */
  name?: string | undefined
  /** Which export of the file is the function. Default `default`. */
  export?: string | undefined
  /** How many threads there may be, and so functions at once. Default one less than the machine's cores, at least 1. */
  threads?: number | undefined
  /** Milliseconds after which a thread without work ends; `Infinity`: never. Default 60 000. */
  idle?: number | undefined
  /**
   * Milliseconds that a function may still run when nobody waits for it any more, before its thread is ended, which is
   * the only way to stop it. `0`: none; `Infinity`: it is never stopped. Default 50: what a new thread costs.
   */
  patience?: number | undefined
  /** More options for Piscina: `workerData`, `resourceLimits`, `execArgv`, `env` … */
  pool?: PiscinaOptions | undefined
  /** Where the time comes from. Default the machine's; a test hands in its own. */
  clock?: Clock | undefined
  /** Numbers from 0 to 1, for `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}

/** What goes over into the thread instead of being copied. */
export interface Transfer {
  /** What of the task is moved into the thread, and not copied: array buffers, ports. */
  transferList?: readonly Transferable[] | undefined
}

/** What a function takes. One that needs nothing is called with nothing. */
export type TaskOf<Blocking extends (task: never) => unknown> =
  // biome-ignore lint/suspicious/noConfusingVoidType: an argument of this type may be left out
  undefined extends Parameters<Blocking>[0] ? Parameters<Blocking>[0] | void : Parameters<Blocking>[0]

/** A function that runs in other threads. */
export interface Offload<Task, Result> {
  /**
   * Runs it, for no request in particular. Resolves or rejects as it does.
   *
   * @returns rejects with a `LaneError` where too many wait, it is closed or the time is up, and with the reason of the
   *   signal as soon as that is aborted
   */
  (task: Task, options?: RunOptions & Transfer): Promise<Result>
  /** Puts the request aside while it runs: see `continuation.returnWhen()`. The attribute has the function's name. */
  returnWhen(continuation: Continuation, task: Task, options?: ReturnWhenOptions & Transfer): void
  /** Suspends in place while it runs: see `continuation.waitFor()`. */
  waitFor(continuation: Continuation, task: Task, options?: JobOptions & Transfer): Promise<Result>
  /** How many run, wait and were abandoned at this moment. */
  stats(): LaneStats
  /** Takes no more tasks (503); when all that are in have settled, the threads end. */
  close(): Promise<void>
}

/**
 * Takes a function that blocks off the event loop: it runs in a pool of threads, which is started by the first call.
 *
 * What it is given and what it gives back are copied, as `structuredClone` does. An error comes back with its stack, its
 * name and what else it carries, such as `status`. It is a lane of as many places as there are threads: no more wait than
 * `maxWaiting`, and when nobody waits for a function any more, it leaves the line, or is stopped by ending its thread.
 *
 * @param file with the function, as a URL or an absolute path
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
 * @example
 * ```ts
 * const hash = offload(new URL('hash.js', import.meta.url), { threads: 2, maxWaiting: 100 })
 *
 * router.post('/hash', async (ctx) => {
 *   ctx.body = await hash.waitFor(ctx.continuation, ctx.request.body)
 * })
 * ```
 */
export function offload<Blocking extends (task: never) => unknown = (task: unknown) => unknown>(
  file: URL | string,
  options: OffloadOptions = {},
): Offload<TaskOf<Blocking>, Awaited<ReturnType<Blocking>>> {
  checkOptions('offload()', options, known)
  const { url, path } = located(file)
  const { name = basename(path, extname(path)), export: exported = 'default', pool = {} } = options
  const { threads = Math.max(1, availableParallelism() - 1), idle = 60_000, patience = 50 } = options
  const { maxWaiting, timeout, grace, clock = systemClock, random } = options
  if (typeof name !== 'string') throw invalid('name', 'a string', name)
  if (typeof exported !== 'string') throw invalid('export', 'a string', exported)
  if (typeof pool !== 'object' || pool === null || Array.isArray(pool))
    throw invalid('pool', "an object with Piscina's options", pool)
  checkCount('threads', threads, 1)
  checkRange('idle', idle, 0)
  checkRange('patience', patience, 0)
  checkClock(clock)
  if (random !== undefined) checkFunction('random', random)
  const lane = new Lane(name, { concurrency: threads, maxWaiting, timeout, grace }, { clock, random })
  const threadPool = new Pool({ threads, idle, patience, clock, options: pool })

  type Task = TaskOf<Blocking>
  type Result = Awaited<ReturnType<Blocking>>
  /** The job, and what the lane is to know of it. */
  const asked = <Options extends object>(
    task: Task,
    options: Options & Transfer,
    ...names: (keyof Options & string)[]
  ): [Job<Result>, Omit<Options & Transfer, 'transferList'>] => {
    checkOptions(`${name}()`, options, [...names, 'transferList'])
    const { transferList, ...ofLane } = options
    if (transferList !== undefined && !Array.isArray(transferList)) {
      throw invalid('transferList', 'an array', transferList)
    }
    const message = { file: url.href, exported, task }
    return [(signal) => threadPool.run(message, signal, transferList) as Promise<Result>, ofLane]
  }
  const run: Offload<Task, Result> = Object.assign(
    async (task: Task, options: RunOptions & Transfer = {}): Promise<Result> =>
      lane.run(...asked<RunOptions>(task, options, 'priority', 'signal')),
    {
      returnWhen: (continuation: Continuation, task: Task, options: ReturnWhenOptions & Transfer = {}) =>
        returnWhen(continuation, lane, ...asked<ReturnWhenOptions>(task, options, 'priority', 'as')),
      waitFor: (continuation: Continuation, task: Task, options: JobOptions & Transfer = {}) =>
        mayBeLetGo(
          (async (): Promise<Result> => waitFor(continuation, lane, ...asked<JobOptions>(task, options, 'priority')))(),
        ),
      stats: () => lane.stats,
      close: async () => {
        await lane.close()
        await threadPool.close()
      },
      [Symbol.for('nodejs.util.inspect.custom')]: () => `Offload { ${lane} }`,
    },
  )
  return run
}

const known = [
  'name',
  'export',
  'threads',
  'idle',
  'maxWaiting',
  'timeout',
  'grace',
  'patience',
  'pool',
  'clock',
  'random',
] as const satisfies (keyof OffloadOptions)[]

function located(file: unknown): { readonly url: URL; readonly path: string } {
  const url = typeof file === 'string' && isAbsolute(file) ? pathToFileURL(file) : file
  try {
    if (typeof url === 'string' || url instanceof URL) return { url: new URL(url), path: fileURLToPath(url) }
  } catch {
    // no URL, or of no file
  }
  throw invalid('The file to off-load', "a file: URL, as by new URL('…', import.meta.url), or an absolute path", file)
}
