/** A client has asked more often than it may. Koa answers it as 429 with `Retry-After`. */
export class RateLimitError extends Error {
  override readonly name = 'RateLimitError'
  readonly code: string = 'ERR_RATE_LIMIT'
  readonly status: number = 429
  readonly statusCode: number = 429
  readonly expose: boolean = true
  readonly headers: Record<string, string>
  /** Seconds after which the client may try again. */
  readonly retryAfter: number
  /** Requests a second that the client may make. */
  readonly rate: number

  /** @param wait milliseconds until the client may try again @param headers sent beside `Retry-After` */
  constructor(rate: number, wait: number, headers: Record<string, string> | undefined) {
    super(`Too many requests: ${rate} a second are served to one client`)
    this.rate = rate
    this.retryAfter = Math.max(1, Math.ceil(wait / 1_000))
    this.headers = { ...headers, 'Retry-After': String(this.retryAfter) }
  }
}
