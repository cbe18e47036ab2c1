import { type Clock, systemClock } from '../../core/clock.js'
import { checkClock, checkFunction, checkOptions, checkRange, invalid } from '../../core/options.js'
import { LogError } from '../errors.js'
import type { After, Backlog, Log, Message, Position, Reading } from '../log.js'
import { type Call, Calls } from './calls.js'
import { Outbox } from './outbox.js'
import { type Line, listen, type Port } from './port.js'
import { Reads } from './reads.js'
import { Tails } from './tails.js'
import {
  type Asked,
  type Failure,
  finite,
  isOurs,
  MARK,
  machineNow,
  packBacklog,
  type ToFollower,
  type Told,
  type ToOwner,
  unpackFailure,
} from './wire.js'

/** Which log of the owner it is, and for how long that is waited for. */
export interface PortLogOptions {
  /** Which of the logs on this port. Default `'log'`. */
  name?: string | undefined
  /**
   * Milliseconds until the owner must have answered, else a call fails with `ERR_LOG_TIMEOUT`. 0 and `Infinity`: for ever.
   * Default 30 000.
   */
  timeout?: number | undefined
  /**
   * Milliseconds that calls wait for another port when this one has closed, else they fail with `ERR_LOG_AWAY`. `Infinity`:
   * for ever. Default 0.
   */
  wait?: number | undefined
  /** Milliseconds on a clock that is the owner's too. Default the machine's, which is nobody's to set. */
  now?: (() => number) | undefined
  clock?: Clock | undefined
}

/** `away`: the port has closed; `greeting`: the owner has not said yet that it is there. */
export type PortLogState = 'greeting' | 'open' | 'away' | 'closed'

/** Of the time for an append, the last milliseconds are for the answer: the owner does not begin it any more. */
const FOR_THE_ANSWER = 1_000

/**
 * A log that lives in another thread or process of this machine, where a `LogOwner` serves it at the other end of the port.
 *
 * - Calls that come before the owner does wait for it.
 * - When the port closes, calls fail with a `LogError` or wait for another port, as `wait` says. Bells stay hung: who waits
 *   for a message goes on waiting, and when there is another port every bell rings once.
 * - A message is appended once, even if it is sent again because the port was cut. An append that has failed with
 *   `inDoubt` may be kept all the same.
 *
 * @example
 * ```ts
 * const log = new PortLog(process)
 * const news = new Channel('news', { log })
 * ```
 */
export class PortLog implements Log {
  readonly #id = crypto.randomUUID()
  readonly #name: string
  readonly #timeout: number
  readonly #wait: number
  readonly #now: () => number
  readonly #clock: Clock
  readonly #calls: Calls
  readonly #reads: Reads
  readonly #tails: Tails
  readonly #outbox: Outbox<Asked>
  #line: Line | undefined
  #state: PortLogState = 'away'

  /**
   * @param port `parentPort` in a thread, `process` in a process that was forked, or any `MessagePort`
   * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range, and for
   *   what is no port, such as the `parentPort` of the main thread
   */
  constructor(port: Port | null, options: PortLogOptions = {}) {
    checkOptions('A PortLog', options, ['name', 'timeout', 'wait', 'now', 'clock'])
    const { name = 'log', timeout = 30_000, wait = 0, now = machineNow, clock = systemClock } = options
    if (typeof name !== 'string') throw invalid('name', 'a string', name)
    checkRange('timeout', timeout, 0)
    checkRange('wait', wait, 0)
    checkFunction('now', now)
    checkClock(clock)
    this.#name = name
    this.#timeout = timeout || Number.POSITIVE_INFINITY
    this.#wait = wait
    this.#now = now
    this.#clock = clock
    this.#calls = new Calls(clock, this.#timeout, (call) => this.#expired(call))
    this.#reads = new Reads((channel, after, bytes) =>
      this.#ask(false, ({ n }) => ['read', n, channel, after, finite(bytes)]),
    )
    this.#tails = new Tails(clock, {
      begin: (channel, begun) => this.#ask(false, ({ n }) => ['tail', n, channel], begun),
      end: (channel) => this.#say(['stop', channel]),
    })
    this.#outbox = new Outbox(clock, (words) => this.#post(words))
    this.attach(port)
  }

  get state(): PortLogState {
    return this.#state
  }

  /**
   * Goes on over another port, with all that waits and every bell.
   *
   * @throws {LogError} `ERR_LOG_CLOSED`
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no port
   */
  attach(port: Port | null): void {
    if (this.#state === 'closed') throw closed()
    const heard = (message: unknown): void => {
      if (isOurs<ToFollower>(message, this.#name, 'to')) this.#hear(message)
    }
    const line = listen(port as Port, heard, () => this.#lost(undefined))
    if (this.#line !== undefined) this.#leave()
    this.#line = line
    this.#greet()
  }

  async append(channel: string, message: Message, backlog: Backlog): Promise<Position> {
    const { data, event } = message
    const plain = event === undefined ? { data } : { data, event }
    const limits = packBacklog(backlog)
    const position = await this.#ask<Position>(true, (call) => [
      'append',
      call.n,
      channel,
      plain,
      limits,
      this.#until(call),
    ])
    this.#reads.forget(channel)
    return position
  }

  async read(channel: string, after: After, bytes = Number.POSITIVE_INFINITY): Promise<Reading> {
    return this.#reads.read(channel, after, bytes)
  }

  tail(channel: string, ring: () => void): Promise<() => void> {
    return this.#tails.add(channel, ring)
  }

  /** Calls that wait fail with `ERR_LOG_CLOSED`. The port stays open: it is whoever's who made it. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#leave()
    this.#line = undefined
    this.#state = 'closed'
    this.#tails.clear()
    this.#calls.failAll((call) => closed(isInDoubt(call)))
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PortLog { ${JSON.stringify(this.#name)}, ${this.#state}, ${this.#calls.size} calls wait }`
  }

  async #ask<Answer>(isAppend: boolean, ask: (call: Call) => Asked, heard?: () => void): Promise<Answer> {
    if (this.#state === 'closed') throw closed()
    if (this.#state === 'away' && this.#wait === 0) throw away(false)
    return new Promise<Answer>((resolve, reject) => {
      const answered = (answer: unknown): void => {
        heard?.()
        resolve(answer as Answer)
      }
      this.#sayCall(this.#calls.start(isAppend, ask, answered, reject))
    })
  }

  #sayCall(call: Call): void {
    if (this.#state !== 'open') return
    call.said++
    this.#outbox.say(call.ask(call))
  }

  #say(word: Asked): void {
    if (this.#state === 'open') this.#outbox.say(word)
  }

  #post(words: readonly Asked[]): void {
    const message: ToOwner = { [MARK]: this.#name, from: this.#id, done: this.#calls.done, words }
    this.#line?.post(message)
  }

  #greet(): void {
    this.#state = 'greeting'
    this.#calls.wait(this.#timeout)
    this.#outbox.drop()
    this.#tails.lost()
    this.#post([['hello']])
  }

  #hear({ to, words }: ToFollower): void {
    if (to !== '' && to !== this.#id) return
    for (const word of words) this.#heed(word)
  }

  #heed(word: Told): void {
    switch (word[0]) {
      case 'who':
        this.#greet()
        break
      case 'welcome':
        this.#welcomed()
        break
      case 'answer':
        this.#calls.answer(word[1], word[2])
        break
      case 'failure':
        this.#failed(word[1], word[2])
        break
      case 'ring':
        this.#rang(word[1])
        break
      case 'gone':
        // whoever has not been welcomed yet waits for an owner anyway
        if (this.#state === 'open') this.#lost(this.#line)
    }
  }

  #failed(n: number, failure: Failure): void {
    // what this owner has not done, the one before it may have
    const inDoubt = isInDoubt(this.#calls.get(n), 2) || failure.inDoubt
    this.#calls.fail(n, unpackFailure({ ...failure, ...(inDoubt && { inDoubt }) }))
  }

  #rang(channel: string): void {
    this.#say(['heard', channel])
    this.#reads.forget(channel)
    this.#tails.ring(channel)
  }

  #welcomed(): void {
    // it may have said hello more than once, and what it says next comes after all of them
    if (this.#state !== 'greeting') return
    this.#state = 'open'
    this.#calls.wait(this.#timeout)
    for (const call of this.#calls) this.#sayCall(call)
    this.#tails.found()
  }

  /** @param line where it is still there, and may have an owner again */
  #lost(line: Line | undefined): void {
    this.#line = line
    this.#state = 'away'
    this.#outbox.drop()
    this.#tails.lost()
    if (this.#wait === 0) this.#calls.failAll((call) => away(isInDoubt(call)))
    else this.#calls.wait(this.#wait)
  }

  #leave(): void {
    this.#outbox.flush()
    this.#post([['bye']])
    this.#line?.hangUp()
  }

  /** When the owner must have begun, on the clock of both. */
  #until({ since }: Call): number | null {
    if (this.#timeout === Number.POSITIVE_INFINITY) return null
    const left = since + this.#timeout - this.#clock.now()
    return this.#now() + left - Math.min(FOR_THE_ANSWER, this.#timeout / 2)
  }

  #expired(call: Call): Error {
    const inDoubt = isInDoubt(call)
    if (this.#state === 'away') return away(inDoubt)
    const what = this.#state === 'greeting' ? 'There is no owner of the log' : 'The owner of the log has not answered'
    return new LogError('ERR_LOG_TIMEOUT', `${what} at the other end of the port, after ${this.#timeout} ms`, {
      inDoubt,
    })
  }
}

/** @param times it was said so often at least */
function isInDoubt(call: Call | undefined, times = 1): boolean {
  return call?.isAppend === true && call.said >= times
}

function away(inDoubt: boolean): LogError {
  return new LogError('ERR_LOG_AWAY', 'The log cannot be reached: the port to its owner has closed', { inDoubt })
}

function closed(inDoubt = false): LogError {
  return new LogError('ERR_LOG_CLOSED', 'The log is used after its close()', { inDoubt })
}
