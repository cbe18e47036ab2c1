/**
 * Why a request came to nothing, why the connection ended, or why the cursor was not kept.
 *
 * `code` is what the server gave, such as `ERR_FORBIDDEN`, or `ERR_NETWORK`, `ERR_DEADLINE` (silent for too long),
 * `ERR_STREAM_SILENT` (an event stream that something on the way keeps back), `ERR_STATUS` (a status without a code),
 * `ERR_ANSWER` (what came was no answer of a channel); or `ERR_STORAGE`: the storage failed, and did not keep the cursor.
 */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  declare readonly code: string
  /** Of the answer, if there was one. */
  declare readonly status: number | undefined
  /** Milliseconds for which the server wants to be left alone; `0` where it does not say. */
  declare readonly retryAfter: number

  constructor(code: string, message: string, facts?: { status?: number; retryAfter?: number; cause?: unknown }) {
    super(message, facts)
    Object.assign(this, { code, retryAfter: 0 }, facts)
  }

  /** Asking again would not help: the connection has ended. */
  get final(): boolean {
    return /^4(?!08|25|29)/.test(`${this.status}`)
  }
}
