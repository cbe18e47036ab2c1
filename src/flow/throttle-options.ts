import type * as Koa from 'koa'
import { type AsideSettings, asideSettings } from '../koa/aside.js'
import { checkCount, checkOptions, checkPositive, checkRange, invalid } from '../koa/checks.js'
import type { ContinuationsOptions } from '../koa/settings.js'
import { Buckets } from './buckets.js'
import { clientOfAddress, keyOf } from './client-key.js'

/** How often each client is served, how long others are put off, and who counts as one. */
export interface ThrottleOptions {
  /** Requests a second that each client may make in the long run; a part of one too: `1 / 60` is one a minute. Default 25. */
  rate?: number | undefined
  /** How many a client may make at once after a pause. Default what `rate` allows in one second, at least 1. */
  burst?: number | undefined
  /** Milliseconds that a request above the rate is put off at most, until the rate allows it. `0`: never. Default 1 000. */
  delay?: number | undefined
  /**
   * Milliseconds that a refusal is held back, so that a client which asks again at once cannot do so often: with so many
   * connections, as many times in that time. `0`: refused at once. Default 1 000.
   */
  penalty?: number | undefined
  /** How many requests are put off or held back at once, of all clients; over it they are refused at once. Default 10 000. */
  maxDelayed?: number | undefined
  /** For how many clients is known what they have used; see `docs/flow.md`. Default 100 000, which takes about 10 MB. */
  maxClients?: number | undefined
  /**
   * Who the client is; `undefined` is let through. Default `ctx.ip`, of IPv6 the first 64 bits; and then loopback and
   * private addresses are let through while `app.proxy` is off: there it would count the proxy.
   */
  clientId?: ((ctx: Koa.Context) => string | undefined) | undefined
  /** What the limit is called in the `RateLimit` fields of each response; `false`: no fields. Default `'default'`. */
  policy?: string | false | undefined
  /** Where the time comes from. Default the machine's; a test hands in its own. */
  clock?: ContinuationsOptions['clock']
}

export interface ThrottleSettings {
  readonly rate: number
  readonly burst: number
  readonly delay: number
  readonly penalty: number
  readonly maxDelayed: number
  readonly buckets: Buckets
  clientOf(ctx: Koa.Context): string | undefined
  /** As a string of a structured field. */
  readonly policy: string | undefined
  readonly settings: AsideSettings
}

export function throttleSettings(options: ThrottleOptions): ThrottleSettings {
  const known = ['rate', 'burst', 'delay', 'penalty', 'maxDelayed', 'maxClients', 'clientId', 'policy', 'clock']
  checkOptions('throttle()', options, known)
  const { rate = 25, delay = 1_000, penalty = 1_000, maxDelayed = 10_000, maxClients = 100_000 } = options
  const { clientId, clock } = options
  checkPositive('rate', rate)
  const { burst = Math.max(1, Math.floor(rate)), policy = 'default' } = options
  checkCount('burst', burst, 1)
  checkRange('burst', burst, 1, Number.MAX_SAFE_INTEGER)
  checkRange('delay', delay, 0)
  checkRange('penalty', penalty, 0)
  checkCount('maxDelayed', maxDelayed)
  checkCount('maxClients', maxClients, 2)
  if (policy !== false && (typeof policy !== 'string' || !/^[ -~]*$/.test(policy))) {
    throw invalid('policy', 'a name of ASCII characters, or false', policy)
  }
  const settings = asideSettings({ clock, clientId })
  return {
    rate,
    burst,
    delay,
    penalty,
    maxDelayed,
    buckets: new Buckets({ rate, burst, maxClients }),
    clientOf(ctx) {
      const client = settings.countedClient(ctx)
      if (client === undefined) return undefined
      return keyOf(clientId === undefined ? clientOfAddress(client) : client)
    },
    policy: policy === false ? undefined : `"${policy.replace(/["\\]/g, '\\$&')}"`,
    settings,
  }
}
