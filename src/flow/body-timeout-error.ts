/** The body of a request has not come within the time. Koa answers it as 408, and the connection closes; of HTTP/2 the stream. */
export class BodyTimeoutError extends Error {
  override readonly name = 'BodyTimeoutError'
  readonly code: string = 'ERR_BODY_TIMEOUT'
  readonly status: number = 408
  readonly statusCode: number = 408
  readonly expose: boolean = true
  /** Nobody will read the rest. */
  readonly headers: Record<string, string>
  /** Milliseconds that it had. */
  readonly timeout: number

  constructor(timeout: number, httpVersionMajor = 1) {
    super(`Cannot serve the request: its body has not come within ${timeout} ms`)
    this.timeout = timeout
    // HTTP/2 has no such field, and Node warns of one
    this.headers = httpVersionMajor < 2 ? { Connection: 'close' } : {}
  }
}
