import type { Numbered } from './entries.js'

/** So many are remembered at least: others may let the log keep more than this process does. */
const LEAST = 1_000
/** And so many at most, whatever the log keeps. */
const MOST = 100_000

/**
 * Tells what is met for the first time: a log that has lost its newest entries gives all others once more, and an append that is
 * asked of it again, over another way, it may do twice.
 */
export class Once {
  readonly #most: number
  /** Two, of which the older one is let go of when the newer one is full: so there is no oldest to be looked for. */
  #newer = new Set<string>()
  #older = new Set<string>()

  /** @param kept how many the log keeps: as many are remembered, those that were met last */
  constructor(kept: number) {
    this.#most = Math.min(Math.max(kept, LEAST), MOST)
  }

  /** @returns whether it was not met before. From now on it was */
  isFirst({ by, n }: Numbered): boolean {
    const entry = `${by}:${n}`
    const isFirst = !this.#newer.has(entry) && !this.#older.has(entry)
    this.#newer.add(entry)
    if (this.#newer.size >= this.#most) {
      this.#older = this.#newer
      this.#newer = new Set()
    }
    return isFirst
  }
}
