import type { Server } from 'node:http'
import type { Http2SecureServer, Http2Server, Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { checkDrainOptions, type DrainOptions } from '../core/drain.js'
import { checkFunction, invalid } from '../core/options.js'

/** What can send home those that it holds: `continuations()`, a manager, a plain hold, a channel, a hub. */
export interface Drainable {
  drain(options?: DrainOptions): Promise<unknown>
}

type AnyServer = Server | Http2Server | Http2SecureServer

/** What `gracefulShutdown()` drains and closes, at which signals, and within what time. */
export interface ShutdownOptions extends DrainOptions {
  /** What is drained: `continuations()`, managers, plain holds, channels, hubs. Default nothing. */
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
 * when all have their answers, and at the timeout whatever is left is cut.
 *
 * While they are sent home the server still takes connections, so that nobody is refused who was just on the way, and
 * closes each with its answer. A process that begins its end by a signal ends with it at the latest, whatever else keeps
 * it alive; a second signal ends it at once, as without this.
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
      throw invalid('What is drained', 'continuations(), a manager, a channel or a hub', one)
    }
  }
  if (!Array.isArray(signals)) throw invalid('signals', 'a list of names, such as SIGTERM', signals)
  const deaf = signals.findIndex((signal) => !hearable.has(signal))
  if (deaf >= 0) throw invalid(`signals[${deaf}]`, 'a signal that a process can hear, such as SIGTERM', signals[deaf])
  if (close !== undefined) checkFunction('close', close)

  const connections = new Connections(server)
  let ending: Promise<void> | undefined
  const shutdown: Shutdown = () => {
    ending ??= run()
    return ending
  }

  async function run(): Promise<void> {
    const cut = setTimeout(() => connections.cut(), timeout)
    let sweep: NodeJS.Timeout | undefined
    let drained: PromiseSettledResult<unknown>[] = []
    try {
      // what cannot be drained keeps neither the others nor the server from their end
      drained = await Promise.allSettled(drains.map(async (one) => one.drain({ timeout, rate, end })))
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      connections.closeIdle()
      sweep = setInterval(() => connections.closeIdle(), 50)
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
    shutdown().catch((error: unknown) => {
      console.error(error)
      process.exitCode = 1
    })
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
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<Http2Session>()

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

  /** Node leaves open what was busy when the server closed, and what browsers open ahead and say nothing on. */
  closeIdle(): void {
    if ('closeIdleConnections' in this.#server) this.#server.closeIdleConnections()
    for (const session of this.#sessions) session.close()
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
  }

  cut(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections()
  }
}
