import { type Continuation, lifeOf } from './continuation.js'
import { DrainError } from './errors.js'
import type { Life } from './life.js'
import { checkFunction, checkOptions, checkRange } from './options.js'

/** How fast, and for how long, those who are held are sent home by a `drain()`. */
export interface DrainOptions {
  /** Milliseconds until it is over, come what may. Default 10 000: what orchestrators wait before they kill, and less. */
  timeout?: number | undefined
  /**
   * How many are sent home a second, each at a random moment, so that they do not come back all at once. Default 1 000;
   * more where that would take longer than half of the timeout. `Infinity`: all at once.
   */
  rate?: number | undefined
  /**
   * Decides each when its turn has come, by `complete()` say. Whatever it leaves undecided expires, and that is the
   * default: the handler is dispatched with `isExpired()`, a `wait()` ends with `'expired'`.
   */
  end?: ((continuation: Continuation) => unknown) | undefined
}

/** What became of those that were held. */
export interface Drained {
  /** How many requests were held when it began, or on their way out; by a manager, only those that waited. */
  readonly held: number
  /** How many of them were not done in time, and failed with a `DrainError` or were left to their sockets. */
  readonly failed: number
}

export const drainOptions = ['timeout', 'rate', 'end'] as const satisfies (keyof DrainOptions)[]

/** @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range */
export function checkDrainOptions(of: string, options: DrainOptions, also: readonly string[] = []): void {
  checkOptions(of, options, [...drainOptions, ...also])
  const { timeout, rate, end } = options
  if (timeout !== undefined) checkRange('timeout', timeout, 1, 2 ** 31 - 1)
  if (rate !== undefined) checkRange('rate', rate, 1)
  if (end !== undefined) checkFunction('end', end)
}

/**
 * Sends home whoever is held: their time is up at random moments, their connections close with the answer, and those
 * that are left shortly before the timeout fail with 503. Of those for whom somebody is at work, the time is not up.
 *
 * It resolves when all have their answers, or at the timeout. That nobody new is held is up to the caller.
 */
export async function drain(
  continuations: Iterable<Continuation>,
  { timeout = 10_000, rate = 1_000, end }: DrainOptions,
): Promise<Drained> {
  const lives = new Set(Array.from(continuations, lifeOf))
  const [first] = lives
  if (first === undefined) return { held: 0, failed: 0 }
  const { policy } = first.host
  const { clock, random } = policy
  const held = lives.size
  const window = Math.min((held / rate) * 1_000, timeout / 2)
  const patience = timeout - Math.min(1_000, timeout / 10)
  const late = new Set<Life>()

  await new Promise<void>((resolve) => {
    let timer = clock.setTimeout(failRest, patience, undefined)

    function refuse(life: Life): void {
      const error = new DrainError(random)
      const isRefused = life.host.refuse(error)
      // one that was kept before it suspended has nothing to fail yet
      if (isRefused || (life.isWaiting && life.fail(error))) late.add(life)
    }

    function failRest(): void {
      for (const life of lives) {
        // for one that is between two jobs the second comes too late
        life.listen({ onSuspend: () => life.isAtWork && refuse(life) })
        refuse(life)
      }
      timer = clock.setTimeout(resolve, timeout - patience, undefined)
    }

    function leave(life: Life): void {
      lives.delete(life)
      if (lives.size > 0) return
      clock.clearTimeout(timer)
      resolve()
    }

    for (const life of lives) {
      if (end !== undefined && life.canBeHeld) life.listen({ onTimeout: end })
      // its handler still runs: it was kept before it suspended, or may yet ask for a job
      if (life.phase === 'dispatched' || life.phase === 'suspending') {
        life.listen({ onSuspend: () => life.retire(random() * window) })
      }
      life.listen({ onComplete: () => leave(life) })
      life.retire(random() * window)
    }
  })
  await policy.letAllIn?.()
  return { held, failed: new Set([...late, ...lives]).size }
}
