import type * as Koa from 'koa'
import { checkCount, checkFunction, checkOptions, checkRange, invalid } from '../koa/checks.js'
import type { Backlog, Log } from '../log/log.js'
import { MemoryLog } from '../log/memory.js'

/** Whether a request may follow a channel: `false`, or a throw, is a 403 or what was thrown. */
export type Authorize = (ctx: Koa.Context, channel: string) => unknown

/** How much a `Channel` keeps, how long a poll is held, who may follow it, and when its streams end. */
export interface ChannelOptions {
  /**
   * How much is kept for those who come back: messages (1 000), bytes (1 MiB), age in milliseconds (1 h). One that is older may
   * still be given for a hundredth of that age, and a second at most.
   */
  backlog?: { messages?: number | undefined; bytes?: number | undefined; age?: number | undefined } | undefined
  /** Milliseconds that a long poll is held at most. Default 25 000: below the 30 s after which some proxies cut. */
  hold?: number | undefined
  /** The share of the hold, 0 to 1, of which a random part is taken off, so that polls spread. Default 0.2. */
  jitter?: number | undefined
  /** Where the messages live. Default this process's memory. */
  log?: Log | undefined
  /**
   * Asked when a request comes, again when a poll is woken, and before each part of a stream: a page of whole messages, about
   * 64 KiB or a single one that is longer. Default: everybody may.
   */
  authorize?: Authorize | undefined
  /**
   * Who the client is. Given, a client's second request under the same id ends its first with 204; `undefined` and `''`, as for a
   * header that is not there, are nobody. Default: nobody.
   */
  clientId?: ((ctx: Koa.Context) => string | undefined) | undefined
  /** Of streams (server-sent events and NDJSON). */
  stream?:
    | {
        /** Milliseconds between signs of life. Default 15 000. */
        heartbeat?: number | undefined
        /** Milliseconds after which a stream is ended, between two parts, for the client to come back. Default 300 000. */
        age?: number | undefined
        /** Bytes after which a stream is ended likewise. Default 67 108 864 (64 MiB). */
        bytes?: number | undefined
        /** Milliseconds that a client may take nothing before it is cut off; its cursor lets it come back. Default 20 000. */
        stall?: number | undefined
      }
    | undefined
  /** Milliseconds, going forward. Default `performance.now`. */
  now?: (() => number) | undefined
  /** Numbers from 0 to 1, for the jitter. Default `Math.random`. */
  random?: (() => number) | undefined
}

export interface ChannelSettings {
  readonly backlog: Backlog
  readonly hold: number
  readonly jitter: number
  readonly log: Log
  readonly authorize: Authorize | undefined
  readonly clientId: ((ctx: Koa.Context) => string | undefined) | undefined
  readonly stream: { readonly heartbeat: number; readonly age: number; readonly bytes: number; readonly stall: number }
  readonly now: () => number
  readonly random: () => number
}

export const channelOptions = [
  'backlog',
  'hold',
  'jitter',
  'log',
  'authorize',
  'clientId',
  'stream',
  'now',
  'random',
] as const satisfies (keyof ChannelOptions)[]

export function channelSettings(of: string, options: ChannelOptions, also: readonly string[] = []): ChannelSettings {
  checkOptions(of, options, [...channelOptions, ...also])
  const { hold = 25_000, jitter = 0.2, log = new MemoryLog(), authorize, clientId } = options
  const { now = () => performance.now(), random = Math.random } = options
  const {
    messages = 1_000,
    bytes = 1_048_576,
    age = 3_600_000,
  } = checked('backlog', options.backlog, ['messages', 'bytes', 'age'])
  const stream = checked('stream', options.stream, ['heartbeat', 'age', 'bytes', 'stall'])
  const { heartbeat = 15_000, age: streamAge = 300_000, bytes: streamBytes = 67_108_864, stall = 20_000 } = stream
  checkCount('backlog.messages', messages, 1)
  checkCount('backlog.bytes', bytes, 1)
  checkRange('backlog.age', age, 1)
  checkRange('hold', hold, 0)
  checkRange('jitter', jitter, 0, 1)
  checkRange('stream.heartbeat', heartbeat, 1)
  checkRange('stream.age', streamAge, 1)
  checkRange('stream.bytes', streamBytes, 1)
  checkRange('stream.stall', stall, 1)
  if (typeof log?.append !== 'function' || typeof log.read !== 'function' || typeof log.tail !== 'function') {
    throw invalid('log', 'a log, with append, read and tail', log)
  }
  if (authorize !== undefined) checkFunction('authorize', authorize)
  if (clientId !== undefined) checkFunction('clientId', clientId)
  checkFunction('now', now)
  checkFunction('random', random)
  return {
    backlog: { messages, bytes, age },
    hold,
    jitter,
    log,
    authorize,
    clientId,
    stream: { heartbeat, age: streamAge, bytes: streamBytes, stall },
    now,
    random,
  }
}

function checked<T extends object>(name: string, options: T | undefined, known: readonly (keyof T & string)[]): T {
  if (options === undefined) return {} as T
  checkOptions(name, options, known)
  return options
}
