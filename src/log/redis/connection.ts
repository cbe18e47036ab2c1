import type { Clock } from '../../core/clock.js'
import { overrides, type RedisClient } from './client.js'

/** What all connections have in common. */
export interface ConnectionSettings {
  readonly client: () => RedisClient | Promise<RedisClient>
  readonly clock: Clock
  /** Milliseconds before the next attempt, when so many have failed one after the other. */
  readonly retry: (failed: number) => number
  /** Milliseconds between signs of life; after three times as many without one it is lost. */
  readonly heartbeat: number
  /** It was lost, or could not be opened. */
  readonly trouble: (error: Error) => void
}

export interface ConnectionOptions extends ConnectionSettings {
  /** Asked of every new connection before it counts as open. */
  readonly greet: (client: RedisClient) => Promise<void>
  readonly opened: (client: RedisClient) => void
  /** It was open, and is no more. @param isGood it was for long enough to be of use */
  readonly lost: (isGood: boolean) => void
}

/** Milliseconds for one attempt to open a connection, all that is asked of it included. */
const ATTEMPT = 10_000
/** Milliseconds after which a connection counts as a good one: when it is lost, the next is tried soon. */
const GOOD = 1_000

/** One connection to Redis, opened anew whenever it is lost, until it is closed. */
export class Connection {
  readonly #options: ConnectionOptions
  /** Changes with every attempt, so that what comes too late of another one is known by it. */
  #attempt: object | undefined
  #client: RedisClient | undefined
  #isOpen = false
  #openSince = 0
  #failed = 0
  #timer: unknown

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** The first call opens it. */
  open(): void {
    if (this.#attempt === undefined) this.#try()
  }

  /** Gives the present connection up: who answers there cannot do what it should. */
  drop(error: Error): void {
    if (this.#isOpen) this.#fail(this.#attempt as object, error)
  }

  close(): void {
    this.#attempt = {}
    this.#isOpen = false
    this.#options.clock.clearTimeout(this.#timer)
    end(this.#client)
  }

  async #try(): Promise<void> {
    const { client: make, clock, greet, heartbeat } = this.#options
    const attempt = {}
    this.#attempt = attempt
    const over = (error: Error): void => this.#fail(attempt, error)
    this.#timer = clock.setTimeout(
      () => over(new Error(`Redis has not answered for ${ATTEMPT} ms`)),
      ATTEMPT,
      undefined,
    )
    try {
      const alike = await make()
      if (this.#attempt !== attempt) return
      const client = alike.duplicate(overrides(alike, heartbeat))
      this.#client = client
      client.on('error', over)
      // one that is ended before it has a socket goes on connecting
      client.on('connect', () => {
        if (this.#attempt !== attempt) end(client)
      })
      await client.connect()
      await greet(client)
      if (this.#attempt !== attempt) return
      clock.clearTimeout(this.#timer)
      this.#isOpen = true
      this.#openSince = clock.now()
      this.#options.opened(client)
    } catch (error) {
      over(error as Error)
    }
  }

  #fail(attempt: object, error: Error): void {
    if (this.#attempt !== attempt) return
    const { clock, retry, lost, trouble } = this.#options
    this.#attempt = {}
    clock.clearTimeout(this.#timer)
    end(this.#client)
    const wasOpen = this.#isOpen
    this.#isOpen = false
    const isGood = wasOpen && clock.now() - this.#openSince > GOOD
    if (isGood) this.#failed = 0
    this.#timer = clock.setTimeout(() => this.#try(), retry(this.#failed++), undefined)
    if (wasOpen) lost(isGood)
    trouble(error)
  }
}

function end(client: RedisClient | undefined): void {
  try {
    client?.destroy()
  } catch {
    // it has ended by itself
  }
}
