import { createClient } from 'redis'
import { type Clock, systemClock } from '../../core/clock.js'
import { InvalidTypeError } from '../../core/errors.js'
import { checkClock, checkCount, checkFunction, checkOptions, checkRange, invalid } from '../../core/options.js'
import type { RedisClient } from './client.js'

/** Where Redis is, for how long it is waited for while it is away, and what is kept of a channel. */
export interface RedisLogOptions {
  /** Where Redis is: `redis[s]://[[user][:password]@][host][:port][/database]` or `unix://…`. Default `redis://127.0.0.1:6379`. */
  url?: string | undefined
  /**
   * Instead of the URL, a client of node-redis, whose settings are used: the log opens connections like it, and does not
   * touch it. Or a function that gives one, asked before each connection, for those who must find out first where Redis is.
   */
  client?: RedisClient | (() => RedisClient | Promise<RedisClient>) | undefined
  /**
   * What the names of all keys begin with, in braces: all keys of a log are in one slot of a Redis Cluster. Logs with the same
   * prefix are one log. Default `koa-continuation`.
   */
  prefix?: string | undefined
  /**
   * Milliseconds that calls wait for Redis while it is away, before they fail with `ERR_LOG_AWAY`. 0: they fail at once;
   * `Infinity`: they wait for as long as it takes. Default 5 000.
   */
  wait?: number | undefined
  /**
   * Milliseconds until Redis must have answered, where the connection stands, else a call fails with `ERR_LOG_TIMEOUT`. 0 and
   * `Infinity`: for ever. Default 30 000.
   */
  timeout?: number | undefined
  /** How many messages may wait to be appended; one more fails with `ERR_LOG_FULL`. Default 10 000. */
  queue?: number | undefined
  /** Bytes of the newest messages that this process keeps of channels that it follows, so that reads of them do not go to Redis. Default 16 777 216 (16 MiB). */
  cache?: number | undefined
  /**
   * Milliseconds after which Redis forgets a channel to which nothing was appended and from which nothing was read. `Infinity`:
   * never. Default 604 800 000 (7 days).
   */
  idle?: number | undefined
  /** Milliseconds between signs of life on each connection; after three times as many without one it is lost. Default 5 000. */
  heartbeat?: number | undefined
  /** Milliseconds before the next attempt to connect, when so many have failed. Default 50 doubled each time, up to 2 000, less up to half at random. */
  retry?: ((failed: number) => number) | undefined
  /** Told of every connection that is lost, and every attempt that fails. What it throws is ignored. */
  onTrouble?: ((error: Error) => void) | undefined
  /** Milliseconds since 1970, for the age of messages. Default the clock of Redis, so that machines need not agree. */
  now?: (() => number) | undefined
  clock?: Clock | undefined
  /** Numbers from 0 to 1, for the default of `retry`. Default `Math.random`. */
  random?: (() => number) | undefined
}

export interface RedisLogSettings {
  readonly client: () => RedisClient | Promise<RedisClient>
  readonly prefix: string
  readonly wait: number
  readonly timeout: number
  readonly queue: number
  readonly cache: number
  readonly idle: number
  readonly heartbeat: number
  readonly retry: (failed: number) => number
  readonly onTrouble: (error: Error) => void
  readonly now: (() => number) | undefined
  readonly clock: Clock
}

const known = [
  'url',
  'client',
  'prefix',
  'wait',
  'timeout',
  'queue',
  'cache',
  'idle',
  'heartbeat',
  'retry',
  'onTrouble',
  'now',
  'clock',
  'random',
] as const satisfies (keyof RedisLogOptions)[]

export function redisLogSettings(options: RedisLogOptions): RedisLogSettings {
  checkOptions('A RedisLog', options, known)
  const { url, client, prefix = 'koa-continuation', wait = 5_000, timeout = 30_000, queue = 10_000 } = options
  const { cache = 16_777_216, idle = 604_800_000, onTrouble = () => {}, now, clock = systemClock } = options
  const { heartbeat = 5_000, random = Math.random } = options
  const { retry = (failed) => Math.min(50 * 2 ** failed, 2_000) * (1 - random() / 2) } = options
  if (typeof prefix !== 'string' || !/^[^{}]+$/.test(prefix)) throw invalid('prefix', 'a string without braces', prefix)
  checkRange('wait', wait, 0)
  checkRange('timeout', timeout, 0)
  checkCount('queue', queue, 1)
  checkRange('cache', cache, 0)
  checkRange('idle', idle, 1)
  checkClock(clock)
  checkRange('heartbeat', heartbeat, 1, 3_600_000)
  for (const [name, value] of Object.entries({ retry, onTrouble, now, random })) {
    if (value !== undefined) checkFunction(name, value)
  }
  return {
    client: clientOf(url, client),
    prefix,
    wait,
    timeout: timeout || Number.POSITIVE_INFINITY,
    queue,
    cache,
    idle,
    // Redis takes whole milliseconds only
    heartbeat: Math.ceil(heartbeat),
    retry,
    onTrouble,
    now,
    clock,
  }
}

function clientOf(url: string | undefined, client: RedisLogOptions['client']): RedisLogSettings['client'] {
  if (typeof client === 'function') return client
  if (client !== undefined) {
    if (typeof client?.duplicate !== 'function') throw invalid('client', 'a client of node-redis', client)
    return () => client
  }
  if (url !== undefined && (typeof url !== 'string' || !/^(rediss?|unix):/.test(url))) {
    throw invalid('url', 'a URL that begins with redis:, rediss: or unix:', url)
  }
  const alike = clientAt(url ?? 'redis://127.0.0.1:6379')
  return () => alike
}

function clientAt(url: string): RedisClient {
  try {
    return createClient({ url }) as unknown as RedisClient
  } catch (error) {
    // there may be a password in it: it is not shown, and the error of whoever read it has it
    throw new InvalidTypeError(`url must be a URL that node-redis can read: ${(error as Error).message}`)
  }
}
