import { retryAfter } from '../core/retry-after.js'

/**
 * - `ERR_LOG_AWAY`: it cannot be reached
 * - `ERR_LOG_TIMEOUT`: it has not answered in time
 * - `ERR_LOG_FULL`: so many messages wait to be appended that it takes no more
 * - `ERR_LOG_REFUSED`: it has answered with an error, which is the `cause`
 * - `ERR_LOG_CLOSED`: `close()` was called
 */
export type LogTrouble = (typeof troubles)[number]

const troubles = ['ERR_LOG_AWAY', 'ERR_LOG_TIMEOUT', 'ERR_LOG_FULL', 'ERR_LOG_REFUSED', 'ERR_LOG_CLOSED'] as const

/** @internal */
export function isLogTrouble(code: unknown): code is LogTrouble {
  return troubles.some((trouble) => trouble === code)
}

/**
 * A log that lives elsewhere could not do what it was asked. Koa answers it as 503 with `Retry-After`, and reports it to the
 * app's `error` event.
 *
 * The seconds of `Retry-After` are drawn between 1 and 5, so that those sent away together do not come back together.
 */
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogTrouble
  readonly status: number = 503
  readonly statusCode: number = 503
  readonly expose: boolean = false
  readonly headers: Record<string, string>
  /** Of an append: the message may be kept all the same, and nobody here can know. */
  readonly inDoubt: boolean

  constructor(
    code: LogTrouble,
    message: string,
    { inDoubt = false, random = Math.random, ...options }: LogErrorOptions = {},
  ) {
    super(message, options)
    this.code = code
    this.inDoubt = inDoubt
    this.headers = { 'Retry-After': String(retryAfter(random, 5)) }
  }
}

/** What else a `LogError` is told. */
export interface LogErrorOptions extends ErrorOptions {
  inDoubt?: boolean | undefined
  /** Numbers from 0 to 1 for `Retry-After`. Default `Math.random`. */
  random?: (() => number) | undefined
}
