import type { Settings } from './options.js'

/** Milliseconds from one request to the next at the least, unless there was news: nothing that a server does makes it spin. */
export const PACE = 1_000

/** Full jitter: anything up to a bound that doubles with each of the failures before this one. */
export function backoff(failures: number, { random, retry }: Pick<Settings, 'random' | 'retry'>): number {
  // in the end nothing is doubled so often that it is no number
  return random() * Math.min(retry.max, retry.base * 2 ** failures) || 0
}

/** Milliseconds that a `Retry-After` asks for, which is a number of seconds or a date; a date may have passed. */
export function retryAfter(header: string | null): number {
  const seconds = +(header as string)
  return (seconds >= 0 ? seconds * 1_000 : Date.parse(header as string) - Date.now()) || 0
}
