import { AsyncResource } from 'node:async_hooks'
import {
  type Clock,
  checkClock,
  checkCount,
  checkFunction,
  checkNumber,
  checkOptions,
  checkRange,
  invalid,
  systemClock,
} from '../koa/checks.js'
import type { Job } from '../koa/lanes.js'
import { LaneError } from './lane-error.js'
import { PriorityLine, type Standing } from './priority-line.js'

/** How many jobs run in a lane at once, how many wait, and for how long. */
export interface LaneOptions {
  /** How many jobs run at once; `Infinity`: all. There is no default. */
  concurrency: number
  /** How many may wait in line. One more is refused: 503. `0`: none; `Infinity`: no limit. Default 1 000. */
  maxWaiting?: number | undefined
  /**
   * Milliseconds that a job may run, the time in line not counted. Then its signal is aborted, and who waits for it has
   * an `ERR_LANE_TIMEOUT`. `0` or `Infinity`: for ever. Default 60 000: for a request its suspension ends before.
   */
  timeout?: number | undefined
  /**
   * Milliseconds that a job may go on after its signal was aborted. Then its place in the lane is given to the next, so
   * that a job which never settles cannot keep it. `0`: at once; `Infinity`: never. Default 10 000.
   */
  grace?: number | undefined
}

/** How a job of `run()` stands in line, and what ends it. */
export interface RunOptions {
  /** Which of those in line goes first: the higher number, and of equal ones the earlier. Default 0. */
  priority?: number | undefined
  /** Aborted: the job leaves the line and never runs, or, where it runs, its own signal is aborted. */
  signal?: AbortSignal | undefined
}

/** How a lane stands at this moment. */
export interface LaneStats {
  /** Jobs that run. */
  readonly running: number
  /** Jobs in line. */
  readonly waiting: number
  /** Jobs whose place was given to others, and which have not settled yet. */
  readonly abandoned: number
}

/** What a lane gets from outside. */
export interface World {
  /** Where the time comes from. Default the machine's; a test hands in its own. */
  clock?: Clock | undefined
  /** Numbers from 0 to 1, for `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}

/** What becomes of a job that nobody has cancelled. */
type Tell = (settled: PromiseSettledResult<unknown>) => void

interface Entry extends Standing {
  job: Job<unknown>
  /** Of whoever waits for it, until told. */
  tell: Tell | undefined
  stands: 'in line' | 'running' | 'abandoned' | 'over'
  controller: AbortController | undefined
  timer: unknown
}

/** Milliseconds of jobs that settle without waiting for anything, before the event loop turns. */
const budget = 5

/**
 * Runs so many jobs at once, and keeps so many in line.
 *
 * - A job has its place in the lane until it has settled, whatever it does: throws at once, rejects, or goes on after its
 *   signal was aborted. So never more run than `concurrency` says.
 * - Only one that does not settle within the `grace` after that loses its place; it is counted as abandoned.
 * - A job in line runs in the async context of whoever asked for it.
 */
export class Lane {
  readonly name: string
  readonly concurrency: number
  readonly maxWaiting: number
  readonly #timeout: number
  readonly #grace: number
  readonly #clock: Clock
  readonly #random: () => number
  readonly #line = new PriorityLine<Entry>()
  #running = 0
  #abandoned = 0
  #closed = false
  #idle: (() => void)[] = []
  /** When this turn of the event loop has started enough; not set where nobody has looked yet in this turn. */
  #turnEnds: number | undefined

  constructor(name: string, options: LaneOptions, { clock = systemClock, random = Math.random }: World = {}) {
    checkOptions(`The lane ${name}`, options, ['concurrency', 'maxWaiting', 'timeout', 'grace'])
    const { concurrency, maxWaiting = 1_000, timeout = 60_000, grace = 10_000 } = options
    checkCount(`${name}.concurrency`, concurrency, 1)
    checkCount(`${name}.maxWaiting`, maxWaiting)
    checkRange(`${name}.timeout`, timeout, 0)
    checkRange(`${name}.grace`, grace, 0)
    checkClock(clock)
    this.name = name
    this.concurrency = concurrency
    this.maxWaiting = maxWaiting
    this.#timeout = timeout
    this.#grace = grace
    this.#clock = clock
    this.#random = random
  }

  get stats(): LaneStats {
    return { running: this.#running, waiting: this.#line.size, abandoned: this.#abandoned }
  }

  /** Runs the job when its turn has come, and resolves or rejects as it does. Every error is a rejection. */
  async run<Result>(job: Job<Result>, options: RunOptions = {}): Promise<Result> {
    checkOptions('A job', options, ['priority', 'signal'])
    const { priority = 0, signal } = options
    checkJob(job, priority)
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal', 'an AbortSignal', signal)
    signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const cancel = this.enter(job, priority, (settled) => {
        signal?.removeEventListener('abort', left)
        if (settled.status === 'fulfilled') resolve(settled.value)
        else reject(settled.reason)
      })
      const left = (): void => {
        cancel(signal?.reason)
        reject(signal?.reason)
      }
      // a job that began at once may have aborted it
      if (signal?.aborted) left()
      else signal?.addEventListener('abort', left, { once: true })
    })
  }

  /** @throws {LaneError} where no further job may come in now */
  admit(): void {
    const { name, maxWaiting } = this
    if (this.#closed) throw new LaneError('closed', name, `The lane ${name} takes no more jobs`, this.#random)
    if (this.#hasRoom() || this.#line.size < maxWaiting) return
    const waiting =
      maxWaiting === 0 ? 'none may wait' : `${maxWaiting} ${maxWaiting === 1 ? 'is' : 'are'} already waiting`
    throw new LaneError('full', name, `Cannot take another job into the lane ${name}: ${waiting}`, this.#random)
  }

  /**
   * Takes a job in, and runs it when its turn has come: at once, where there is room.
   *
   * @param tell is told once how the job went, never within this call
   * @returns cancels the job: nobody is told any more
   * @throws {LaneError} as `admit()`
   */
  enter<Result>(
    job: Job<Result>,
    priority: number,
    tell: (settled: PromiseSettledResult<Result>) => void,
  ): (reason: unknown) => void {
    this.admit()
    const entry: Entry = {
      job,
      priority,
      tell: tell as Tell,
      stands: 'in line',
      controller: undefined,
      timer: undefined,
      place: 0,
      arrival: 0,
    }
    if (this.#hasRoom()) this.#start(entry)
    else {
      entry.job = AsyncResource.bind(job)
      this.#line.push(entry)
    }
    return (reason) => this.#cancel(entry, reason)
  }

  /** An error for those whose request went on before their job was done. */
  cancelled(message: string): LaneError {
    return new LaneError('cancelled', this.name, message, this.#random)
  }

  /** Takes no more jobs; resolves when those that are in have settled or were abandoned. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#running + this.#line.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  toString(): string {
    const abandoned = this.#abandoned === 0 ? '' : `, ${this.#abandoned} abandoned`
    const { name, concurrency, maxWaiting } = this
    return `${name}: ${this.#running} of ${concurrency} running, ${this.#line.size} of ${maxWaiting} waiting${abandoned}`
  }

  #hasRoom(): boolean {
    return this.#running < this.concurrency && this.#line.size === 0
  }

  #start(entry: Entry): void {
    // before it has its place: a clock that throws loses none
    if (this.#timeout > 0 && this.#timeout < Number.POSITIVE_INFINITY) {
      entry.timer = this.#clock.setTimeout(this.#overdue, this.#timeout, entry)
    }
    const controller = new AbortController()
    entry.controller = controller
    entry.stands = 'running'
    this.#running++
    // called within, so that what it throws at once is a rejection like any other
    new Promise((resolve) => resolve(entry.job(controller.signal))).then(
      (value) => this.#settled(entry, { status: 'fulfilled', value }),
      (reason) => this.#settled(entry, { status: 'rejected', reason }),
    )
  }

  #settled(entry: Entry, settled: PromiseSettledResult<unknown>): void {
    const { stands, tell } = entry
    this.#clock.clearTimeout(entry.timer)
    entry.stands = 'over'
    entry.tell = undefined
    if (stands === 'abandoned') this.#abandoned--
    else this.#leave()
    tell?.(settled)
  }

  #cancel(entry: Entry, reason: unknown): void {
    if (entry.tell === undefined) return
    entry.tell = undefined
    if (entry.stands === 'running') {
      this.#abort(entry, reason)
      return
    }
    entry.stands = 'over'
    this.#line.remove(entry)
    this.#tellIdle()
  }

  readonly #overdue = (entry: Entry): void => {
    const { tell } = entry
    entry.tell = undefined
    const message = `The job ran for ${this.#timeout} ms, and no longer may one in the lane ${this.name}`
    const reason = new LaneError('overdue', this.name, message, this.#random)
    this.#abort(entry, reason)
    tell?.({ status: 'rejected', reason })
  }

  /** Nobody waits for it any more, but it has its place until it is through. */
  #abort(entry: Entry, reason: unknown): void {
    this.#clock.clearTimeout(entry.timer)
    entry.timer = undefined
    if (this.#grace < Number.POSITIVE_INFINITY) {
      entry.timer = this.#clock.setTimeout(this.#abandon, this.#grace, entry)
    }
    entry.controller?.abort(reason)
  }

  readonly #abandon = (entry: Entry): void => {
    entry.stands = 'abandoned'
    this.#abandoned++
    this.#leave()
  }

  #leave(): void {
    this.#running--
    this.#next()
    this.#tellIdle()
  }

  #next(): void {
    while (this.#running < this.concurrency && this.#line.size > 0) {
      const now = this.#clock.now()
      if (this.#turnEnds === undefined) {
        this.#turnEnds = now + budget
        this.#clock.nextTurn(this.#turn)
      }
      if (now >= this.#turnEnds) return
      const entry = this.#line.shift() as Entry
      try {
        this.#start(entry)
      } catch (reason) {
        entry.tell?.({ status: 'rejected', reason })
        entry.tell = undefined
      }
    }
  }

  readonly #turn = (): void => {
    this.#turnEnds = undefined
    this.#next()
  }

  #tellIdle(): void {
    if (this.#running + this.#line.size > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** @throws {TypeError} `ERR_INVALID_OPTION` */
export function checkJob(job: unknown, priority: unknown): void {
  checkFunction('A job', job)
  checkNumber('priority', priority)
}
