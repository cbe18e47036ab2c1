import {
  type ClientClock,
  type Connection,
  type ConnectionError,
  type ConnectOptions,
  connect,
  type Message,
} from '../../src/client/index.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { ScriptedServer } from './scripted-server.js'

/** A connection, and all that it has told. */
export interface Tab {
  readonly connection: Connection<number>
  /** What was handed over, with `gap` where there was a gap. */
  readonly got: unknown[]
  readonly messages: Message<number>[]
  readonly errors: ConnectionError[]
  readonly states: string[]
  readonly ends: unknown[]
}

/** A server that the test plays, a clock that it moves, and connections to it. */
export class ClientScene {
  readonly server = new ScriptedServer()
  readonly manual = new ManualClock()
  readonly clock: ClientClock = {
    now: this.manual.now,
    setTimeout: (callback: () => void, ms: number) => this.manual.setTimeout(callback, ms, undefined),
    clearTimeout: this.manual.clearTimeout,
  }
  readonly #connections: Connection<number>[] = []

  async open(): Promise<this> {
    await this.server.open()
    return this
  }

  /** With polls, and listeners of every event. */
  follow(options: ConnectOptions = {}, listen = true): Tab {
    const connection = this.connect(options)
    const tab: Tab = { connection, got: [], messages: [], errors: [], states: [], ends: [] }
    connection.addEventListener('state', ({ detail }) => tab.states.push(detail))
    connection.addEventListener('error', ({ detail }) => tab.errors.push(detail))
    connection.addEventListener('close', ({ detail }) => tab.ends.push(detail))
    connection.addEventListener('gap', () => tab.got.push('gap'))
    if (listen) {
      connection.addEventListener('message', ({ detail }) => {
        tab.messages.push(detail)
        tab.got.push(detail.data)
      })
    }
    return tab
  }

  connect(options: ConnectOptions = {}): Connection<number> {
    const connection = connect<number>(this.server.url, {
      transport: 'poll',
      clock: this.clock,
      random: () => 0.5,
      ...options,
    })
    this.#connections.push(connection)
    return connection
  }

  next = (): ReturnType<ScriptedServer['next']> => this.server.next()

  /** The next request, which comes when so many milliseconds have passed, and not a moment before. */
  async nextAfter(ms: number): ReturnType<ScriptedServer['next']> {
    await until(() => this.manual.next === ms)
    this.manual.advance(ms - 1)
    await this.quiet()
    this.manual.advance(1)
    return this.next()
  }

  /** No request comes, for as long as the event loop has something to do for it. */
  async quiet(): Promise<void> {
    const { count } = this.server
    let turns = 0
    await until(() => ++turns > 50)
    if (this.server.count > count) throw new Error('a request came that should not have')
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
    await until(() => this.manual.timers === 0)
    await this.server.close()
  }
}
