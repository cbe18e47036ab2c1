import { retryAfter } from '../koa/checks.js'

const codes = {
  /** As many wait in the lane as may. */
  full: 'ERR_LANE_FULL',
  /** The lane takes no more jobs. */
  closed: 'ERR_LANE_CLOSED',
  /** The job ran for longer than the lane lets it. */
  overdue: 'ERR_LANE_TIMEOUT',
  /** The suspension ended before the job was done. */
  cancelled: 'ERR_JOB_CANCELLED',
  /** One dispatch asked for two jobs of one name. */
  duplicate: 'ERR_DUPLICATE_JOB',
} as const

/**
 * Why a job was not run, or not to its end. Its `code` tells which; Koa answers it with its `status`.
 *
 * Where it is 503, the seconds of `Retry-After` are drawn between 1 and 10, so that those sent away together do not come
 * back together.
 */
export class LaneError extends Error {
  override readonly name = 'LaneError'
  readonly code: (typeof codes)[keyof typeof codes]
  readonly status: number
  readonly expose: boolean
  readonly headers: Record<string, string>
  /** Seconds after which the client may try again. */
  readonly retryAfter: number | undefined
  /** The lane's name. */
  readonly lane: string

  /** @internal */
  constructor(why: keyof typeof codes, lane: string, message: string, random?: () => number) {
    super(message)
    this.code = codes[why]
    this.lane = lane
    this.retryAfter = random && retryAfter(random)
    this.status = random === undefined ? 500 : 503
    this.expose = random !== undefined
    this.headers = this.retryAfter === undefined ? {} : { 'Retry-After': String(this.retryAfter) }
  }
}
