import type * as Koa from 'koa'
import { type AsideSettings, asideSettings } from '../koa/aside.js'
import { checkCount, checkFunction, checkNumber, checkOptions, checkRange, invalid } from '../koa/checks.js'
import type { ContinuationsOptions } from '../koa/settings.js'
import { GradientLimit } from './gradient-limit.js'
import { type Limit, Permits } from './permits.js'

/** A limit that follows the measured latency. */
export interface AdaptiveLimit {
  readonly adaptive: true
  /** It never falls below this. Default 1. */
  min?: number | undefined
  /** It never rises above this. Default 1 000. */
  max?: number | undefined
  /** Where it begins. Default 20, or the bound that is nearer. */
  initial?: number | undefined
}

/** How many requests run at once, how many wait, for how long, and who goes first. */
export interface QosOptions {
  /**
   * How many requests run below it at once; `Infinity`: no limit. Or `{ adaptive: true, min, max }`: it follows the
   * measured latency. Default 10, as in Jetty's QoSFilter.
   */
  maxRequests?: number | AdaptiveLimit | undefined
  /**
   * How many wait for their turn at most; over it, the least urgent is refused at once, with 503. `0`: nobody waits.
   * `Infinity`: no limit. Default 1 024, as in Jetty's QoSHandler.
   */
  maxSuspended?: number | undefined
  /** Milliseconds that a request waits for its turn; then 503. `0`, less, or `Infinity`: for ever. Default 30 000. */
  timeout?: number | undefined
  /**
   * Who goes first: the higher number, and of the same number who came first. Asked once, when a request has to wait.
   * Default: all are the same.
   */
  priority?: ((ctx: Koa.Context) => number) | undefined
  /**
   * A request stands in the line, and takes a place up, only when its body is here, or as much of it as Node keeps
   * unread (16 KB, from Node 22 on 64 KB): a client that sends it slowly takes nothing up. When it has not come within
   * `timeout`: 408. `false` where clients wait for an answer before they send the rest. Default `true`.
   */
  awaitBody?: boolean | undefined
  /** Where the time comes from. Default the machine's; a test hands in its own. */
  clock?: ContinuationsOptions['clock']
  /** Numbers from 0 to 1 for `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}

export interface QosSettings {
  readonly permits: Permits
  readonly maxSuspended: number
  readonly timeout: number
  readonly awaitBody: boolean
  priority(ctx: Koa.Context): number
  readonly settings: AsideSettings
  /** Of those whose body is to come. */
  readonly arriving: AsideSettings
}

export function qosSettings(options: QosOptions): QosSettings {
  const known = ['maxRequests', 'maxSuspended', 'timeout', 'priority', 'awaitBody', 'clock', 'random']
  checkOptions('qos()', options, known)
  const { maxRequests = 10, maxSuspended = 1_024, timeout = 30_000, priority = () => 0 } = options
  const { awaitBody = true, clock, random } = options
  const limit = limitOf(maxRequests)
  checkCount('maxSuspended', maxSuspended)
  checkNumber('timeout', timeout)
  checkFunction('priority', priority)
  if (typeof awaitBody !== 'boolean') throw invalid('awaitBody', 'true or false', awaitBody)
  return {
    permits: new Permits(limit),
    maxSuspended,
    timeout,
    awaitBody,
    priority(ctx) {
      const number: unknown = priority(ctx)
      if (typeof number !== 'number' || Number.isNaN(number)) throw invalid('What priority answers', 'a number', number)
      // before all that have not begun stand those that go on, at Infinity
      return Math.min(number, Number.MAX_VALUE)
    },
    settings: asideSettings({ clock, random, limits: { total: maxSuspended } }),
    arriving: asideSettings({ clock, random }),
  }
}

function limitOf(maxRequests: number | AdaptiveLimit): Limit {
  if (typeof maxRequests !== 'object') {
    checkCount('maxRequests', maxRequests, 1)
    return { value: maxRequests }
  }
  checkOptions('maxRequests', maxRequests, ['adaptive', 'min', 'max', 'initial'])
  const { adaptive, min = 1, max = 1_000 } = maxRequests
  if (adaptive !== true) throw invalid('maxRequests.adaptive', 'true', adaptive)
  checkCount('maxRequests.min', min, 1)
  checkCount('maxRequests.max', max, min)
  const { initial = Math.min(max, Math.max(min, 20)) } = maxRequests
  checkRange('maxRequests.initial', initial, min, max)
  return new GradientLimit({ min, max, initial })
}
