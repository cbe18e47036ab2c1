/** Milliseconds from one request to the next at the least, unless there was news: nothing that a server does makes it spin. */
export const PACE = 1_000

/** Full jitter: anything up to a bound that doubles with each failure. */
export function backoff(failures: number, { base, max }: { base: number; max: number }, random: () => number): number {
  return random() * Math.min(max, base * 2 ** (failures - 1))
}

/** Milliseconds that a `Retry-After` asks for, which is a number of seconds or a date. */
export function retryAfter(header: string | null, now: number): number {
  const value = header ?? 0
  const seconds = Number(value)
  return Math.max(0, Number.isNaN(seconds) ? Date.parse(value as string) - now || 0 : seconds * 1_000)
}
