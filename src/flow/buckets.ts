export interface BucketOptions {
  /** Tokens a second that flow into a bucket. */
  readonly rate: number
  /** Tokens that a bucket holds. */
  readonly burst: number
  /** For how many clients a bucket is kept at most. */
  readonly maxClients: number
}

/**
 * What milliseconds since 1970 are whole multiples of, as numbers. A token takes a multiple of it too, so that nothing is
 * rounded when they are added up: many that come in one moment would be a token short.
 */
const GRAIN = 2 ** -12

/**
 * A token bucket for each client, full at the beginning, in memory that does not grow with the number of clients.
 *
 * A bucket is one number: when it will be full again (as in GCRA, the algorithm of ATM networks). So buckets that nobody
 * uses need no care, and one that is full need not be kept.
 *
 * Buckets are kept in two generations. When the young one has its half of the places, the old one is forgotten and the
 * young one takes its place; who comes is young again. What is forgotten has not been used since half as many other
 * clients came. A new client might be one of the forgotten, and is taken for the emptiest of these: nobody is ever
 * given more by being forgotten. At an ordinary load the forgotten are full, and a new client's bucket is too.
 */
export class Buckets {
  readonly #interval: number
  readonly #span: number
  readonly #burst: number
  readonly #half: number
  /** When each bucket is full again, in milliseconds since 1970. */
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  /** The latest of the forgotten. */
  #floor = 0

  constructor({ rate, burst, maxClients }: BucketOptions) {
    this.#interval = Math.min(Number.MAX_SAFE_INTEGER, Math.max(GRAIN, Math.round(1_000 / rate / GRAIN) * GRAIN))
    this.#span = burst * this.#interval
    this.#burst = burst
    this.#half = Math.ceil(maxClients / 2)
  }

  /** For how many clients a bucket is kept. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /**
   * Takes a token out, or one that is to come.
   *
   * @param patience milliseconds that the client may wait for it
   * @returns milliseconds until the token is there; over `patience`, none was taken
   */
  take(client: string, now: number, patience: number): number {
    const full = Math.max(this.#fullAt(client), now) + this.#interval
    const wait = full - this.#span - now
    if (wait <= patience) this.#young.set(client, full)
    return Math.max(0, wait)
  }

  /** How many tokens are in the bucket, and the milliseconds until there is one more. */
  state(client: string, now: number): { readonly tokens: number; readonly next: number } {
    const missing =
      Math.max(0, (this.#young.get(client) ?? this.#old.get(client) ?? this.#floor) - now) / this.#interval
    const tokens = Math.max(0, Math.floor(this.#burst - missing))
    return { tokens, next: (missing - (this.#burst - tokens - 1)) * this.#interval }
  }

  #fullAt(client: string): number {
    const known = this.#young.get(client)
    if (known !== undefined) return known
    const full = this.#old.get(client) ?? this.#floor
    this.#old.delete(client)
    if (this.#young.size >= this.#half) {
      for (const forgotten of this.#old.values()) if (forgotten > this.#floor) this.#floor = forgotten
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(client, full)
    return full
  }
}
