import type { Clock } from './clock.js'

/** How many are woken together at most. */
const LARGEST_PORTION = 16

/**
 * Those whose suspension is decided, waiting for their dispatch.
 *
 * - Higher priority first; within a priority in the order of decision.
 * - After `budget` milliseconds the event loop turns, and the rest goes on in the next turn: what handlers do without
 *   waiting for input or output counts, wherever in their promises it is done. So ten thousand wake-ups at once stall the
 *   loop for no longer than the budget and one handler.
 * - The first is woken by itself. As long as that takes no time to speak of, portions grow, because a few handlers side by
 *   side cost less than one after the other; one in such a portion that finds the time of its turn spent waits for the next.
 *   Where handlers were quick and become slow behind promises of their own, those of one portion may all have begun.
 * - Nobody is woken inside the call that decided.
 */
export class WakeQueue<Item> {
  readonly #wake: (item: Item) => unknown
  readonly #clock: Clock
  readonly #budget: number
  /** One line a priority, the highest first. Nearly always there is one. */
  #lines: Line<Item>[] = []
  #pushed = 0
  #running = false
  #turnEnds = 0
  #portion = 1
  #portionBegan = 0
  /** They were woken when the time of the turn was up already. */
  #late: (() => void)[] = []

  /**
   * @param budget milliseconds of dispatches a turn of the event loop; `0` wakes one a turn, `Infinity` all at once
   * @param wake returns `false` where what it wakes runs on without asking whether the turn is `spent()`
   */
  constructor({ budget, clock, wake }: { budget: number; clock: Clock; wake: (item: Item) => unknown }) {
    this.#budget = budget
    this.#clock = clock
    this.#wake = wake
  }

  /** How many wait for their turn. */
  get size(): number {
    let size = 0
    for (const line of this.#lines) size += line.items.length - line.head
    return size
  }

  /** How many there have been so far. */
  get pushed(): number {
    return this.#pushed
  }

  push(item: Item, priority = 0): void {
    this.#pushed++
    this.#line(priority).items.push(item)
    if (this.#running) return
    this.#running = true
    this.#clock.nextTurn(this.#turn)
  }

  #line(priority: number): Line<Item> {
    const lines = this.#lines
    let place = 0
    for (; place < lines.length; place++) {
      const line = lines[place] as Line<Item>
      if (line.priority === priority) return line
      if (line.priority < priority) break
    }
    const line = { priority, items: [], head: 0 }
    lines.splice(place, 0, line)
    return line
  }

  #shift(): Item | undefined {
    for (let line = this.#lines[0]; line !== undefined; line = this.#lines[0]) {
      if (line.head < line.items.length) {
        const item = line.items[line.head] as Item
        line.items[line.head++] = undefined as Item
        // the places of what was taken are let go of now and then, also where the line never runs empty
        if (line.head > 1_024 && line.head * 2 > line.items.length) {
          line.items = line.items.slice(line.head)
          line.head = 0
        }
        return item
      }
      this.#lines.shift()
    }
    return undefined
  }

  /**
   * For one that was woken in a portion with others and is about to run its handler: a promise of a turn of its own where
   * the time of this one is up.
   */
  spent(): Promise<void> | undefined {
    if (this.#portion === 1 || this.#clock.now() < this.#turnEnds) return undefined
    return new Promise((resolve) => {
      this.#late.push(resolve)
    })
  }

  readonly #turn = (): void => {
    this.#portionBegan = this.#clock.now()
    this.#turnEnds = this.#portionBegan + this.#budget
    this.#step()
  }

  #step(): void {
    const late = this.#late.shift()
    try {
      if (late !== undefined) {
        this.#portion = 1
        late()
      } else if (!this.#wakePortion()) return
    } finally {
      if (this.#running) this.#clock.afterJobs(this.#next)
    }
  }

  /** Whether there was anybody. */
  #wakePortion(): boolean {
    for (let place = 0; place < this.#portion; place++) {
      const item = this.#shift()
      if (item === undefined) {
        if (place > 0) return true
        this.#running = false
        this.#portion = 1
        return false
      }
      if (this.#wake(item) === false) return true
    }
    return true
  }

  readonly #next = (): void => {
    const now = this.#clock.now()
    const isQuick = now - this.#portionBegan < this.#budget / 8
    this.#portion = isQuick ? Math.min(this.#portion * 2, LARGEST_PORTION) : Math.max(1, this.#portion >> 1)
    this.#portionBegan = now
    if (now < this.#turnEnds) this.#step()
    else this.#clock.nextTurn(this.#turn)
  }
}

interface Line<Item> {
  readonly priority: number
  items: Item[]
  head: number
}
