import { Chain, Chained } from '../../core/chain.js'
import { LogError } from '../errors.js'
import type { RedisClient } from './client.js'
import { Connection, type ConnectionSettings } from './connection.js'

/** `connecting`: it was never open so far; `away`: it was lost, and is being opened again. */
export type RedisLogState = 'idle' | 'connecting' | 'open' | 'away' | 'closed'

export interface Command {
  /** What is run, by a name that Redis has for it: the text comes after where it has forgotten it. */
  readonly script: string
  readonly keys: readonly string[]
  /** @param run the server that it goes to */
  readonly args: (run: string) => readonly string[]
  /** Milliseconds for which it may be sent again. Default: always. */
  readonly again?: number
}

export interface Calling<Reply> {
  readonly reply: Promise<Reply>
  /** It was sent, and may have been done. */
  readonly isSaid: boolean
  /** It is not sent again, and its reply never comes. */
  cancel(): void
}

class Call extends Chained<Call> implements Calling<unknown> {
  readonly reply: Promise<unknown>
  resolve!: (reply: unknown) => void
  reject!: (error: Error) => void
  readonly command: Command
  readonly #calls: Chain<Call>
  /** When it was sent first. */
  said: number | undefined

  constructor(command: Command, calls: Chain<Call>) {
    super()
    this.command = command
    this.#calls = calls
    this.reply = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    calls.push(this)
  }

  get isSaid(): boolean {
    return this.said !== undefined
  }

  cancel(): void {
    this.#calls.delete(this)
  }
}

export interface CommandsOptions extends ConnectionSettings {
  readonly scripts: readonly string[]
  /**
   * Called after each change, before what waits is sent.
   *
   * @param isFresh what went before has ended; else it is away as before, and what was open in between was of no use
   */
  readonly changed: (state: RedisLogState, isFresh: boolean) => void
}

/**
 * Where in a script it was. Before version 7 Redis says that first, as in `ERR Error running script (call to f_…):
 * @user_script:4: @user_script: 4: -READONLY …`.
 */
const place = String.raw`(ERR Error running script \(call to \w+\): )?(@user_script: ?\d+: )*-?`

/** Who answers so is not, or not yet, the server that holds the data; another may be, or this one later. */
const notNow = new RegExp(
  `^${place}(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|BUSY|UNBLOCKED) `,
)

/**
 * Runs scripts on Redis, in order, over one connection. What has no reply when the connection is lost is sent again over the
 * next one: so all that is called must be fit to be done twice.
 */
export class Commands {
  readonly #options: CommandsOptions
  readonly #connection: Connection
  readonly #calls = new Chain<Call>()
  readonly #names = new Map<string, string>()
  readonly #opened: (() => void)[] = []
  #client: RedisClient | undefined
  #run = ''
  #state: RedisLogState = 'idle'

  constructor(options: CommandsOptions) {
    this.#options = options
    this.#connection = new Connection({
      ...options,
      greet: (client) => this.#greet(client),
      opened: (client) => {
        this.#client = client
        this.#change('open')
        for (const resolve of this.#opened.splice(0)) resolve()
        for (const call of [...this.#calls]) this.#sendAgain(call, client)
      },
      lost: (isGood) => {
        this.#client = undefined
        this.#change('away', isGood)
      },
    })
  }

  get state(): RedisLogState {
    return this.#state
  }

  open(): void {
    if (this.#state !== 'idle') return
    this.#change('connecting')
    this.#connection.open()
  }

  /** Resolves when it is open. */
  opened(): Promise<void> {
    this.open()
    return this.#state === 'open' ? Promise.resolve() : new Promise((resolve) => this.#opened.push(resolve))
  }

  call<Reply>(command: Command): Calling<Reply> {
    this.open()
    const call = new Call(command, this.#calls)
    if (this.#client !== undefined) this.#send(call, this.#client)
    return call as Calling<unknown> as Calling<Reply>
  }

  close(): void {
    this.#client = undefined
    this.#change('closed')
    this.#connection.close()
    for (const call of [...this.#calls]) this.#calls.delete(call)
  }

  #change(state: RedisLogState, isFresh = true): void {
    this.#state = state
    this.#options.changed(state, isFresh)
  }

  async #greet(client: RedisClient): Promise<void> {
    const about = await client.sendCommand(['INFO', 'server']).catch((error: Error) => {
      // where nobody may ask, a server that was started again is not told from the one before
      if (/^NOPERM /.test(error.message)) return ''
      throw error
    })
    const [, run = ''] = /^run_id:(\w+)/m.exec(String(about)) ?? []
    this.#run = run
    for (const script of this.#options.scripts) {
      this.#names.set(script, String(await client.sendCommand(['SCRIPT', 'LOAD', script])))
    }
  }

  #sendAgain(call: Call, client: RedisClient): void {
    const { said } = call
    const { again = Number.POSITIVE_INFINITY } = call.command
    if (said === undefined || this.#options.clock.now() - said < again) this.#send(call, client)
    else {
      this.#calls.delete(call)
      call.reject(new LogError('ERR_LOG_AWAY', 'Redis was away for too long to send it again', { inDoubt: true }))
    }
  }

  #send(call: Call, client: RedisClient, by: 'EVALSHA' | 'EVAL' = 'EVALSHA'): void {
    const { script, keys, args } = call.command
    const what = by === 'EVAL' ? script : (this.#names.get(script) as string)
    call.said ??= this.#options.clock.now()
    client.sendCommand([by, what, String(keys.length), ...keys].concat(args(this.#run))).then(
      (reply) => {
        if (this.#calls.delete(call)) call.resolve(reply)
      },
      (error: Error) => {
        // what was lost with its connection waits for the next one
        if (this.#client !== client || !this.#calls.has(call)) return
        if (/^NOSCRIPT /.test(error.message)) this.#send(call, client, 'EVAL')
        else if (notNow.test(error.message)) this.#connection.drop(error)
        else {
          this.#calls.delete(call)
          call.reject(new LogError('ERR_LOG_REFUSED', `Redis refuses: ${error.message}`, { cause: error }))
        }
      },
    )
  }
}
