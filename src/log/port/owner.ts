import { type Clock, systemClock } from '../../core/clock.js'
import { checkClock, checkFunction, checkOptions, invalid } from '../../core/options.js'
import type { Log } from '../log.js'
import type { Appended } from './guest.js'
import type { Port } from './port.js'
import { type House, ServedPort } from './served-port.js'
import { machineNow } from './wire.js'

/** Which log of several a `LogOwner` serves, and its time. */
export interface LogOwnerOptions {
  /** Tells several logs on one port apart. Default `'log'`. */
  name?: string | undefined
  /** Milliseconds on a clock that is the followers' too. Default the machine's, which is nobody's to set. */
  now?: (() => number) | undefined
  clock?: Clock | undefined
}

/** Results of so many followers that have left without a word are kept, should they come back over another port. */
const DEPARTED = 1_000

/**
 * Lets other threads and processes use a log of this one: each of them has a `PortLog` at the other end of a port.
 *
 * - A follower that ends, whatever way, is forgotten; one that is started anew gets a port of its own.
 * - A follower that is slow, or stands still, does not let anything pile up here: a channel has one ring on its way to it at
 *   most, and there are no more answers than it has asked questions.
 * - An append that a follower asks for again, because the port was cut, is done once.
 *
 * The port may carry other messages as well; they are left alone.
 *
 * @example
 * ```ts
 * const log = new MemoryLog()
 * const owner = new LogOwner(log)
 *
 * cluster.on('fork', (worker) => owner.serve(worker))
 * cluster.on('exit', () => cluster.fork())
 * cluster.fork()
 * cluster.fork()
 * ```
 */
export class LogOwner {
  readonly #house: House
  readonly #ports = new Map<Port, ServedPort>()
  /** Over which port each follower is here. */
  readonly #guests = new Map<string, object>()
  /** By follower; those that have come last, last. */
  readonly #appended = new Map<string, Appended>()

  /** @throws {TypeError} `ERR_INVALID_OPTION` for options not known or of the wrong type, and for what is no log */
  constructor(log: Log, options: LogOwnerOptions = {}) {
    checkOptions('A LogOwner', options, ['name', 'now', 'clock'])
    const { name = 'log', now = machineNow, clock = systemClock } = options
    if (typeof log?.append !== 'function' || typeof log.read !== 'function' || typeof log.tail !== 'function') {
      throw invalid('What is owned', 'a log, with append, read and tail', log)
    }
    if (typeof name !== 'string') throw invalid('name', 'a string', name)
    checkFunction('now', now)
    checkClock(clock)
    this.#house = {
      log,
      name,
      now,
      clock,
      comes: (from, port) => this.#comes(from, port),
      goes: (from, port) => this.#goes(from, port),
    }
  }

  /** How many followers there are. */
  get size(): number {
    return this.#guests.size
  }

  /**
   * Serves whoever follows at the other end of a port, until that end closes. It does not matter which end begins. A port
   * that is served already: nothing changes.
   *
   * @returns stops it, and tells them so; the port stays open
   * @throws {TypeError} `ERR_INVALID_OPTION` for what is no port
   */
  serve(port: Port): () => void {
    const served = this.#ports.get(port) ?? new ServedPort(port, this.#house, () => this.#ports.delete(port))
    this.#ports.set(port, served)
    return () => {
      if (this.#ports.get(port) === served) served.leave()
    }
  }

  /** Stops serving on every port. The log itself stays open. */
  close(): void {
    for (const served of [...this.#ports.values()]) served.leave()
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    let unheard = 0
    for (const { size } of this.#appended.values()) unheard += size
    return `LogOwner { ${JSON.stringify(this.#house.name)}, ${this.size} followers, ${unheard} results they have not heard of }`
  }

  #comes(from: string, port: object): Appended {
    const appended = this.#appended.get(from) ?? new Map()
    this.#appended.delete(from)
    this.#appended.set(from, appended)
    this.#guests.set(from, port)
    return appended
  }

  #goes(from: string, port: object): void {
    if (this.#guests.get(from) !== port) return
    this.#guests.delete(from)
    if (this.#appended.get(from)?.size === 0) this.#appended.delete(from)
    let over = this.#appended.size - this.#guests.size - DEPARTED
    for (const other of this.#appended.keys()) {
      if (over <= 0) return
      if (this.#guests.has(other)) continue
      this.#appended.delete(other)
      over--
    }
  }
}
