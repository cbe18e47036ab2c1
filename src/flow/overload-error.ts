import { retryAfter } from '../koa/checks.js'

/**
 * A request has waited for its turn as long as it may. Koa answers it as 503 with `Retry-After`.
 *
 * The seconds of `Retry-After` are drawn between 1 and 10, so that those sent away together do not come back together.
 */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
  readonly code: string = 'ERR_OVERLOAD'
  readonly status: number = 503
  readonly statusCode: number = 503
  readonly expose: boolean = true
  readonly headers: Record<string, string>
  /** Seconds after which the client may try again. */
  readonly retryAfter: number
  /** Milliseconds that it has waited. */
  readonly timeout: number

  constructor(timeout: number, random: () => number) {
    super(`Cannot serve the request: its turn has not come within ${timeout} ms`)
    this.timeout = timeout
    this.retryAfter = retryAfter(random)
    this.headers = { 'Retry-After': String(this.retryAfter) }
  }
}
