import type * as Koa from 'koa'

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-11, of a limit that is a token bucket.
 *
 * `q` requests may be made in a window of `w` seconds, `r` of them in the next `t` seconds. The ratio of each pair is the
 * rate: a client that spreads its requests by them is never above it. At `r=0`, `t` is when the next may be made.
 */
export class RateLimitFields {
  readonly #policy: string
  readonly #rate: number
  readonly #name: string

  /** @param name as a string of a structured field */
  constructor(name: string, rate: number, burst: number) {
    this.#name = name
    this.#rate = rate
    this.#policy = `${name};q=${burst};w=${seconds(burst / rate)}`
  }

  /** What is to be set, beside what limits further out have set. */
  of(ctx: Koa.Context, { tokens, next }: { tokens: number; next: number }): Record<string, string> {
    const limit = `${this.#name};r=${tokens};t=${seconds(tokens === 0 ? next / 1_000 : tokens / this.#rate)}`
    return {
      'RateLimit-Policy': joined(ctx.response.get('RateLimit-Policy'), this.#policy),
      RateLimit: joined(ctx.response.get('RateLimit'), limit),
    }
  }
}

/** Whole ones, and the most that a structured field's integer can say. */
function seconds(time: number): number {
  return Math.min(999_999_999_999_999, Math.max(1, Math.ceil(time)))
}

function joined(before: string | undefined, item: string): string {
  return before === undefined || before === '' ? item : `${before}, ${item}`
}
