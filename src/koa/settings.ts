import type * as Koa from 'koa'
import { Chain } from '../core/chain.js'
import { type Clock, systemClock } from '../core/clock.js'
import { HoldCount } from '../core/hold-count.js'
import type { Policy, Wakeable } from '../core/host.js'
import type { Life } from '../core/life.js'
import {
  checkClock,
  checkCount,
  checkFunction,
  checkNumber,
  checkOptions,
  checkRange,
  clientBy,
} from '../core/options.js'
import { WakeQueue } from '../core/wake-queue.js'
import { Backpressure, MANY } from './backpressure.js'
import { addressOf } from './connection.js'

/** The options of `continuations()`: times, limits, and who counts as one client. */
export interface ContinuationsOptions {
  /**
   * Milliseconds that a suspension lasts when nobody says otherwise; `0`, less, or `Infinity`: for ever.
   * Default 30 000, as in Jetty and CometD, and below the 60 s after which many a proxy cuts.
   */
  timeout?: number | undefined
  /** The share of each timeout, 0 to 1, of which a random part is taken off, so that polls spread. Default 0. */
  jitter?: number | undefined
  /** How often one request may be dispatched, the first time included. Default 1 000. */
  maxDispatches?: number | undefined
  /**
   * How many requests may be suspended at once; over it, `suspend()` throws a 503. `Infinity`: no limit.
   * Default 50 000 in all and 1 000 a client.
   */
  limits?: { total?: number | undefined; perClient?: number | undefined } | undefined
  /**
   * Who the client is, for `perClient` and for managers; `undefined` is not counted, and `''` are all that have no name.
   * Default `ctx.ip`, and then `perClient` leaves loopback and private addresses out while `app.proxy` is off: there it would
   * count the proxy.
   */
  clientId?: ((ctx: Koa.Context) => string | undefined) | undefined
  /**
   * Milliseconds of dispatches a turn of the event loop, before input and output are looked at again. `0` dispatches
   * one a turn, `Infinity` all there are. Default 5.
   */
  budget?: number | undefined
  /** Where the time comes from. Default the machine's; a test hands in its own. */
  clock?: Clock | undefined
  /** Numbers from 0 to 1 for jitter and `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}

/** The options of one boundary, checked, and what its requests share. */
export interface Settings extends Policy {
  readonly maxDispatches: number
  readonly holds: HoldCount
  /** Those that were held and are not answered yet. */
  readonly here: Chain<Life>
  readonly backpressure: Backpressure
  clientId(ctx: Koa.Context): string | undefined
  /** Under whom a hold is counted against `perClient`. */
  countedClient(ctx: Koa.Context): string | undefined
}

export function settingsOf(options: ContinuationsOptions = {}): Settings {
  checkOptions('continuations()', options, [
    'timeout',
    'jitter',
    'maxDispatches',
    'limits',
    'clientId',
    'budget',
    'clock',
    'random',
  ])
  const {
    timeout = 30_000,
    jitter = 0,
    maxDispatches = 1_000,
    limits = {},
    clientId,
    budget = 5,
    clock = systemClock,
    random = Math.random,
  } = options
  checkNumber('timeout', timeout)
  checkRange('jitter', jitter, 0, 1)
  checkCount('maxDispatches', maxDispatches, 1)
  checkOptions('limits', limits, ['total', 'perClient'])
  const { total = 50_000, perClient = 1_000 } = limits
  checkCount('limits.total', total)
  checkCount('limits.perClient', perClient)
  const named = clientId === undefined ? undefined : clientBy(clientId)
  checkRange('budget', budget, 0)
  checkClock(clock)
  checkFunction('random', random)

  const holds = new HoldCount({ total, perClient }, random)
  const queue = new WakeQueue<Wakeable>({ budget, clock, wake: (next) => next.wake() })
  const backpressure = new Backpressure({ clock, decided: () => queue.pushed, left: () => queue.size, few: MANY })
  return {
    timeout,
    jitter,
    maxDispatches,
    clock,
    random,
    holds,
    here: new Chain(),
    queue,
    backpressure,
    letAllIn: () => backpressure.letAllIn(),
    clientId: named ?? ((ctx) => addressOf(ctx) || undefined),
    countedClient: named ?? ((ctx) => (!ctx.app.proxy && isLocal(addressOf(ctx)) ? undefined : addressOf(ctx))),
  }
}

/** Loopback, link-local and private addresses, where a reverse proxy stands; and none at all, as on a Unix socket. */
const local =
  /^$|^(?:::ffff:)?(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.)|^::1$|^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:/i

function isLocal(ip: string): boolean {
  return local.test(ip)
}
