import type { Clock } from './clock.js'

/**
 * Those whose suspension is decided, waiting for their dispatch.
 *
 * - Higher priority first; within a priority in the order of decision.
 * - Each is woken by itself: what its handler does without waiting for input or output is done before the next begins.
 * - After `budget` milliseconds of that the event loop turns, and the rest goes on in the next turn. So ten thousand
 *   wake-ups at once stall the loop for no longer than the budget and one handler.
 * - Nobody is woken inside the call that decided.
 */
export class WakeQueue<Item> {
  readonly #wake: (item: Item) => void
  readonly #clock: Clock
  readonly #budget: number
  /** One line a priority, the highest first. Nearly always there is one. */
  #lines: Line<Item>[] = []
  #running = false
  #turnEnds = 0

  /** @param budget milliseconds of dispatches a turn of the event loop; `0` wakes one a turn, `Infinity` all at once */
  constructor({ budget, clock, wake }: { budget: number; clock: Clock; wake: (item: Item) => void }) {
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

  push(item: Item, priority = 0): void {
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
        // what was taken is let go of now and then, also where the line never runs empty
        if (line.head === line.items.length || (line.head > 1_024 && line.head * 2 > line.items.length)) {
          line.items = line.items.slice(line.head)
          line.head = 0
        }
        return item
      }
      this.#lines.shift()
    }
    return undefined
  }

  readonly #turn = (): void => {
    this.#turnEnds = this.#clock.now() + this.#budget
    this.#step()
  }

  readonly #step = (): void => {
    const item = this.#shift()
    if (item === undefined) {
      this.#running = false
      return
    }
    try {
      this.#wake(item)
    } finally {
      this.#clock.afterJobs(this.#next)
    }
  }

  readonly #next = (): void => {
    if (this.#clock.now() < this.#turnEnds) this.#step()
    else this.#clock.nextTurn(this.#turn)
  }
}

interface Line<Item> {
  readonly priority: number
  items: Item[]
  head: number
}
