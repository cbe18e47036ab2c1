import { LogError } from '../errors.js'
import type { After, Backlog, Log, Message, Position, Reading } from '../log.js'
import { type Command, Commands, type RedisLogState } from './commands.js'
import { type Bell, Doorbells } from './doorbells.js'
import { packed, type ReadReply, readUpOf } from './entries.js'
import { Followed, type ReadUp } from './followed.js'
import { Lanes } from './lanes.js'
import { type RedisLogOptions, type RedisLogSettings, redisLogSettings } from './options.js'
import { Patience, Waiter } from './patience.js'
import { Memory } from './recent.js'
import { append, ENDLESS, KNOWN, read } from './scripts.js'

/** How a `RedisLog` stands at this moment. */
export interface RedisLogStatistics {
  readonly state: RedisLogState
  /** Connections that were lost, and attempts to open one that failed, since the beginning. */
  readonly troubles: number
  /** The last of them. */
  readonly lastTrouble: Error | undefined
  /** Messages that are to be appended, and not answered. */
  readonly waiting: number
  /** Channels that are followed. */
  readonly channels: number
  /** Of the newest messages of these channels, kept in this process. */
  readonly cached: number
}

/** So much is read at once of what a channel has grown by. */
const PAGE = 262_144

/**
 * A log in Redis Streams: shared by all processes on all machines that use the same Redis, and kept when they end.
 *
 * - Redis numbers a message in the step in which it appends it.
 * - A process has two connections, however many channels and followers it has: one for commands, one that hears of all that
 *   grows. They open when they are first needed.
 * - While Redis is away, calls wait and then fail with a `LogError`, as `wait` says; who is held stays held; and what was missed
 *   is read when it is back. A message whose answer was lost is sent again, and appended once.
 * - A Redis that comes back empty, or without its newest messages, is told as a gap.
 *
 * It needs node-redis (`npm install redis`), and Redis 6.2 or later.
 *
 * @example
 * ```ts
 * const log = new RedisLog({ url: 'redis://127.0.0.1:6379' })
 * const news = new Channel('news', { log })
 * ```
 */
export class RedisLog implements Log {
  readonly #settings: RedisLogSettings
  readonly #writer = `w:${randomName()}${randomName()}`
  #epochs = 0
  readonly #patience: Patience
  readonly #commands: Commands
  readonly #doorbells: Doorbells
  readonly #lanes: Lanes
  readonly #memory: Memory
  readonly #followed = new Map<string, Followed>()
  /** Under way, by channel and by what is read: who asks for the same meanwhile shares one. */
  readonly #reads = new Map<string, Map<string, Promise<ReadUp>>>()
  /** Heard of while a message of our own was on its way: maybe it is the one. */
  readonly #early = new Map<string, Bell>()
  /** Who waits for the first attempt to connect. */
  readonly #outcomes: (() => void)[] = []
  #awaySince = 0
  #troubles = 0
  #lastTrouble: Error | undefined

  /** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
  constructor(options: RedisLogOptions = {}) {
    const settings = redisLogSettings(options)
    this.#settings = settings
    const { client, clock, retry, heartbeat, wait, timeout, queue, prefix, cache, idle } = settings
    const trouble = (error: Error): void => this.#trouble(error)
    const connection = { client, clock, retry, heartbeat, trouble }
    this.#patience = new Patience(clock, wait)
    this.#memory = new Memory(cache)
    this.#commands = new Commands({
      ...connection,
      scripts: [append, read],
      changed: (state, isFresh) => {
        if (state === 'closed') return
        if (state === 'open') {
          this.#patience.allow(timeout)
          this.#lanes.opened()
          return
        }
        // a server that takes connections, and nothing over them, is away all the time
        if (isFresh) this.#awaySince = clock.now()
        this.#patience.allow(wait, this.#awaySince)
      },
    })
    this.#doorbells = new Doorbells({
      ...connection,
      key: `{${prefix}}:doorbells`,
      idle,
      ring: (name, bell) => this.#heard(name, bell),
      ringAll: () => {
        this.#reads.clear()
        for (const followed of this.#followed.values()) followed.readOn().catch(() => {})
      },
    })
    this.#lanes = new Lanes({
      patience: this.#patience,
      queue,
      command: (...batch) => this.#appending(...batch),
      call: (command) => this.#commands.call(command),
      isOpen: () => this.#commands.state === 'open',
      appended: (name, position, messages, { age }) => this.#appended(name, position, messages, age),
      done: (name) => {
        const bell = this.#early.get(name)
        if (bell !== undefined) this.#heard(name, bell)
      },
      expired: (inDoubt) => this.#expired(inDoubt),
    })
  }

  get state(): RedisLogState {
    return this.#commands.state
  }

  get statistics(): RedisLogStatistics {
    return {
      state: this.#commands.state,
      troubles: this.#troubles,
      lastTrouble: this.#lastTrouble,
      waiting: this.#lanes.size,
      channels: this.#followed.size,
      cached: this.#memory.bytes,
    }
  }

  /**
   * Connects, which the first call does otherwise. It waits for one attempt at least, whatever `wait` says.
   *
   * @throws {LogError} `ERR_LOG_AWAY`, `ERR_LOG_CLOSED`
   */
  async ready(): Promise<void> {
    this.#check()
    if (this.state === 'open') return
    const opened = this.#commands.opened()
    if (this.#troubles === 0) {
      await Promise.race([opened, new Promise<void>((resolve) => this.#outcomes.push(resolve))])
      this.#check()
    }
    await this.#patiently(opened)
  }

  /**
   * Appends a message, and drops the oldest ones over the backlog. Several that are appended at the same time go to Redis
   * together, and stay in order.
   *
   * @throws {LogError} `ERR_LOG_AWAY`, `ERR_LOG_TIMEOUT`: it may have been appended all the same where `inDoubt` is true;
   *   `ERR_LOG_FULL`, `ERR_LOG_REFUSED`, `ERR_LOG_CLOSED`
   */
  append(channel: string, message: Message, backlog: Backlog): Promise<Position> {
    if (this.#commands.state === 'closed') return Promise.reject(this.#expired(false))
    this.#commands.open()
    return this.#lanes.append(nameOf(channel), message, backlog)
  }

  /**
   * What came after a position. Of a channel that this process follows, the newest messages are here already; what another
   * process has appended is among them before the bell rings.
   *
   * @throws {LogError} `ERR_LOG_AWAY`, `ERR_LOG_TIMEOUT`, `ERR_LOG_REFUSED`, `ERR_LOG_CLOSED`
   */
  async read(channel: string, after: After, bytes = Number.POSITIVE_INFINITY): Promise<Reading> {
    this.#check()
    const name = nameOf(channel)
    return this.#readHere(name, after, bytes) ?? readingOf(await this.#readThere(name, after, bytes))
  }

  /**
   * Calls `ring` whenever the channel may have grown, by whatever process. A ring that falls into a time when Redis is away comes
   * when it is back.
   *
   * @throws {LogError} `ERR_LOG_AWAY`, `ERR_LOG_TIMEOUT`, `ERR_LOG_REFUSED`, `ERR_LOG_CLOSED`
   */
  async tail(channel: string, ring: () => void): Promise<() => void> {
    this.#check()
    const name = nameOf(channel)
    const followed = this.#followed.get(name) ?? this.#follow(name)
    const unhang = followed.hang(ring)
    const stop = (): void => {
      unhang()
      if (followed.isFollowed || this.#followed.get(name) !== followed) return
      followed.recent.clear()
      this.#followed.delete(name)
    }
    try {
      if (followed.recent.end === undefined) await this.#patiently(followed.first)
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  async close(): Promise<void> {
    this.#commands.close()
    this.#doorbells.close()
    this.#patience.end()
    for (const resolve of this.#outcomes.splice(0)) resolve()
    for (const followed of this.#followed.values()) followed.recent.clear()
    this.#followed.clear()
    this.#reads.clear()
  }

  #check(): void {
    if (this.#commands.state === 'closed') throw this.#expired(false)
    this.#commands.open()
  }

  #expired(inDoubt: boolean): LogError {
    const { wait, timeout } = this.#settings
    const cause = this.#lastTrouble
    switch (this.#commands.state) {
      case 'closed':
        return new LogError('ERR_LOG_CLOSED', 'The log is closed', { inDoubt })
      case 'open':
        return new LogError('ERR_LOG_TIMEOUT', `Redis has not answered for ${timeout} ms`, { inDoubt })
      default:
        return new LogError('ERR_LOG_AWAY', `Redis is away, for longer than ${wait} ms`, { inDoubt, cause })
    }
  }

  #trouble(error: Error): void {
    this.#troubles++
    this.#lastTrouble = error
    for (const resolve of this.#outcomes.splice(0)) resolve()
    try {
      this.#settings.onTrouble(error)
    } catch {
      // it has had its say
    }
  }

  #patiently<T>(promise: Promise<T>, expire = (): void => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(() => {
        expire()
        reject(this.#expired(false))
      })
      this.#patience.add(waiter)
      promise.finally(() => this.#patience.delete(waiter)).then(resolve, reject)
    })
  }

  #follow(name: string): Followed {
    const followed = new Followed({
      memory: this.#memory,
      trouble: (error) => this.#trouble(error),
      now: () => this.#settings.clock.now(),
      read: (after) =>
        this.#commands.call<ReadReply>(this.#reading(name, after, PAGE)).reply.then((reply) => readUpOf(reply, PAGE)),
    })
    this.#followed.set(name, followed)
    this.#doorbells.open()
    // else it is read when they are heard
    if (this.#doorbells.isHearing) followed.readOn().catch(() => {})
    return followed
  }

  #heard(name: string, bell: Bell): void {
    this.#reads.delete(name)
    this.#early.delete(name)
    if (bell.messages === undefined && this.#lanes.isSending(name)) this.#early.set(name, bell)
    else this.#followed.get(name)?.heard(bell)
  }

  #readHere(name: string, after: After, bytes: number): Reading | undefined {
    const followed = this.#doorbells.isHearing ? this.#followed.get(name) : undefined
    return followed?.read(after, bytes)
  }

  #readThere(name: string, after: After, bytes: number): Promise<ReadUp> {
    const key = typeof after === 'string' ? `${bytes} ${after}` : `${bytes} ${after.epoch}-${after.seq}`
    let reads = this.#reads.get(name)
    const same = reads?.get(key)
    if (same !== undefined) return same
    if (reads === undefined) {
      reads = new Map()
      this.#reads.set(name, reads)
    }
    const among = reads
    const calling = this.#commands.call<ReadReply>(this.#reading(name, after, bytes))
    const reading = this.#patiently(calling.reply, () => calling.cancel())
      .finally(() => {
        among.delete(key)
        if (among.size === 0 && this.#reads.get(name) === among) this.#reads.delete(name)
      })
      .then((reply) => readUpOf(reply, bytes))
    among.set(key, reading)
    return reading
  }

  #appended(name: string, position: Position, messages: readonly Message[], age: number): void {
    this.#reads.delete(name)
    const followed = this.#followed.get(name)
    if (followed === undefined) return
    let seq = position.seq - messages.length
    const stored = messages.map(({ event, data }) =>
      event === undefined ? { seq: ++seq, data } : { seq: ++seq, event, data },
    )
    followed.appended({ position, messages: stored }, age)
  }

  #keys(name: string): [stream: string, state: string] {
    const { prefix } = this.#settings
    return [`{${prefix}}:stream:${name}`, `{${prefix}}:state:${name}`]
  }

  #always(): [now: string, idle: string] {
    const { now, idle } = this.#settings
    return [now === undefined ? '' : String(Math.floor(now())), idle === Number.POSITIVE_INFINITY ? '' : whole(idle)]
  }

  #reading(name: string, after: After, bytes: number): Command {
    const [epoch, place] = typeof after === 'string' ? ['', after] : [after.epoch, String(after.seq)]
    // for an epoch that begins: there was none of this name
    const fresh = `${this.#writer.slice(2)}r${++this.#epochs}`
    const args = (): string[] => [...this.#always(), fresh, epoch, place, whole(bytes)]
    return { script: read, keys: this.#keys(name), args }
  }

  #appending(name: string, batch: number, messages: readonly Message[], backlog: Backlog): Command {
    const { prefix } = this.#settings
    const limits = [whole(backlog.messages), whole(backlog.bytes), whole(backlog.age)]
    const rest = [this.#writer, String(batch), ...limits, name].concat(packed(messages))
    return {
      script: append,
      keys: [...this.#keys(name), `{${prefix}}:doorbells`],
      args: (run) => [...this.#always(), run].concat(rest),
      again: KNOWN / 2,
    }
  }
}

function readingOf({ messages, next, gap }: ReadUp): Reading {
  return gap === undefined ? { messages, next } : { messages, next, gap }
}

/** Redis takes any name, but half a character is none. */
function nameOf(channel: string): string {
  if (/^\w+$/.test(channel)) return channel
  return channel.replace(/[%\p{Surrogate}]/gu, (half) => `%${half.charCodeAt(0).toString(16)}`)
}

function whole(limit: number): string {
  return String(Math.min(Math.ceil(limit), ENDLESS))
}

/** Eight letters and digits. */
function randomName(): string {
  return Math.floor(Math.random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0')
}
