import type { Server } from 'node:http'
import type { Http2SecureServer, Http2Server, Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { checkDrainOptions, type DrainOptions } from '../core/drain.js'
import { checkFunction, invalid } from '../core/options.js'
import type { ServedSocket } from './connection.js'

/** What can send home those that it holds: `continuations()`, a manager, a plain hold, a channel, a hub, `qos()`, `throttle()`. */
export interface Drainable {
  drain(options?: DrainOptions): Promise<unknown>
}

type AnyServer = Server | Http2Server | Http2SecureServer

/** What `gracefulShutdown()` drains and closes, at which signals, and within what time. */
export interface ShutdownOptions extends DrainOptions {
  /** What is drained: `continuations()`, managers, plain holds, channels, hubs, `qos()`, `throttle()`. Default nothing. */
  drain?: Drainable | readonly Drainable[] | undefined
  /** The signals that begin it. Default `SIGTERM` and `SIGINT`; `[]` leaves it to the call. */
  signals?: readonly NodeJS.Signals[] | undefined
  /** What is to be done when the last request is answered: a pool to end, a log to close. */
  close?: (() => unknown) | undefined
}

/** What `gracefulShutdown` gives: begins the end by hand. */
export type Shutdown = () => Promise<void>

/**
 * Ends a server in good order at a signal: nobody new is held, those that are held are sent home, the server closes
 * when all have their answers, and shortly before the timeout whatever is left is cut.
 *
 * While they are sent home the server still takes connections, so that nobody is refused who was just on the way, and
 * closes each with its answer. Call this before the first connection: of those of HTTP/2 it ends what it has seen begin.
 *
 * A process that begins its end by a signal ends with the timeout at the latest, whatever else keeps it alive; a second
 * signal ends it at once, as without this.
 *
 * @returns begins it without a signal; every call gives the same promise, which resolves when the server has closed and
 *   rejects with what `close` threw, or what could not be drained
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
 * @example
 * ```ts
 * const boundary = continuations()
 * app.use(boundary)
 * app.use(router.routes())
 *
 * gracefulShutdown(app.listen(3000), { drain: boundary })
 * ```
 */
export function gracefulShutdown(server: AnyServer, options: ShutdownOptions = {}): Shutdown {
  const { close: closes, once: listens } = (server ?? {}) as Partial<Server>
  if (typeof closes !== 'function' || typeof listens !== 'function') {
    throw invalid('What shuts down', 'a server, as app.listen() gives it', server)
  }
  checkDrainOptions('gracefulShutdown()', options, ['drain', 'signals', 'close'])
  const { drain = [], signals = ['SIGTERM', 'SIGINT'], close, timeout = 10_000, rate, end } = options
  const drains: readonly Drainable[] = Array.isArray(drain) ? drain : [drain as Drainable]
  for (const one of drains) {
    if (typeof one?.drain !== 'function') {
      throw invalid(
        'What is drained',
        'continuations(), a manager, a plain hold, a channel, a hub, qos() or throttle()',
        one,
      )
    }
  }
  if (!Array.isArray(signals)) throw invalid('signals', 'a list of names, such as SIGTERM', signals)
  const deaf = signals.findIndex((signal) => !hearable.has(signal))
  if (deaf >= 0) throw invalid(`signals[${deaf}]`, 'a signal that a process can hear, such as SIGTERM', signals[deaf])
  if (close !== undefined) checkFunction('close', close)

  const connections = new Connections(server)
  let ending: Promise<void> | undefined
  // what is left then is for `close`
  const patience = Math.max(1, timeout - Math.min(1_000, timeout / 10))
  const shutdown: Shutdown = () => {
    ending ??= run()
    return ending
  }

  async function run(): Promise<void> {
    const cut = setTimeout(() => connections.cut(), patience)
    let sweep: NodeJS.Timeout | undefined
    let drained: PromiseSettledResult<unknown>[] = []
    try {
      // what cannot be drained keeps neither the others nor the server from their end
      drained = await Promise.allSettled(drains.map(async (one) => one.drain({ timeout: patience, rate, end })))
      const closed = new Promise<void>((resolve) => connections.close(resolve))
      // behind whatever has come meanwhile
      sweep = setInterval(() => setImmediate(() => connections.closeIdle()), 50)
      await closed
    } finally {
      clearTimeout(cut)
      clearInterval(sweep)
    }
    await close?.()
    for (const one of drained) if (one.status === 'rejected') throw one.reason
  }

  function onSignal(): void {
    for (const signal of signals) process.off(signal, onSignal)
    const last = setTimeout(() => process.exit(), timeout)
    last.unref()
    shutdown()
      .catch((error: unknown) => {
        console.error(error)
        process.exitCode = 1
      })
      // a worker of a cluster would stay for its channel to the primary, on which nothing is to come
      .finally(() => process.channel?.unref())
  }
  for (const signal of signals) process.once(signal, onSignal)
  server.once('close', () => {
    for (const signal of signals) process.off(signal, onSignal)
  })
  return shutdown
}

/** All but those that end or stop a process come what may. */
const hearable = new Set<unknown>(Object.keys(constants.signals).filter((name) => !/^SIG(?:KILL|STOP)$/.test(name)))

/** The connections of a server, as far as it does not close them itself. */
class Connections {
  readonly #server: AnyServer
  readonly #sockets = new Set<ServedSocket>()
  readonly #sessions = new Set<Http2Session>()
  /** On which nothing had come when it was looked last. */
  readonly #silent = new WeakSet<ServedSocket>()

  constructor(server: AnyServer) {
    this.#server = server
    const keep = (socket: Socket): void => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    server.on('connection', keep)
    server.on('secureConnection', keep)
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
    })
  }

  /** No more are taken, and those are closed on which nothing happens. */
  close(closed: () => void): void {
    const server = this.#server as AnyServer & Partial<Pick<Server, 'closeIdleConnections'>>
    const { closeIdleConnections } = server
    // Node calls it as well, and takes a connection for idle whose answer is ended, and is still on its way to a slow client; since
    // Node.js 26 one that has just come, too
    if (closeIdleConnections !== undefined) {
      server.closeIdleConnections = () => {
        if (!this.#isSending() && !this.#isComing()) closeIdleConnections.call(server)
      }
    }
    server.close(closed)
    this.closeIdle()
  }

  /** Node leaves open what was busy when the server closed, and what browsers open ahead and say nothing on. */
  closeIdle(): void {
    if ('closeIdleConnections' in this.#server) this.#server.closeIdleConnections()
    for (const session of this.#sessions) session.close()
    for (const socket of this.#sockets) {
      if (socket.bytesRead > 0) continue
      if (this.#silent.has(socket)) socket.destroy()
      else this.#silent.add(socket)
    }
  }

  /** The request of some client may be there, and not be read yet. */
  #isComing(): boolean {
    for (const socket of this.#sockets) if (socket.bytesRead === 0 && !this.#silent.has(socket)) return true
    return false
  }

  /** Some client is still to get the rest of an answer that is ended. */
  #isSending(): boolean {
    for (const { _httpMessage: response, writableLength } of this.#sockets) {
      if (response?.finished ?? writableLength > 0) return true
    }
    return false
  }

  cut(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections()
  }
}
