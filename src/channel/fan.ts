import { Chain, Chained, type Turns, type Wakeable } from '../koa/checks.js'

/** What waits for a channel to grow, and goes on waiting when it has. */
export interface Listening {
  /** The channel has grown, and its turn has come. */
  news(): void
}

/** Where one stands among those of a channel that listen. */
export class Ear extends Chained<Ear> {
  readonly listening: Listening

  constructor(listening: Listening) {
    super()
    this.listening = listening
  }
}

/** Those of a channel that listen and share a place in line. To tell ten thousand is one call; they have their turns later. */
export class Fan implements Wakeable {
  readonly turns: Turns
  readonly priority: number
  #idle = new Chain<Ear>()
  /** Those whose turn is to come. */
  readonly #due: Chain<Ear>[] = []
  #isQueued = false

  constructor(turns: Turns, priority: number) {
    this.turns = turns
    this.priority = priority
  }

  get size(): number {
    let { size } = this.#idle
    for (const due of this.#due) size += due.size
    return size
  }

  push(ear: Ear): void {
    this.#idle.push(ear)
  }

  /** The channel has grown. @returns how many were not to be told anyway */
  grown(): number {
    const idle = this.#idle
    if (idle.size === 0) return 0
    this.#idle = new Chain()
    this.#due.push(idle)
    this.#queue()
    return idle.size
  }

  #queue(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.turns.push(this, this.priority)
  }

  /** Tells the next of them. */
  wake(): boolean {
    this.#isQueued = false
    const due = this.#due[0]
    const ear = due?.shift()
    if (due?.size === 0) this.#due.shift()
    if (this.#due.length > 0) this.#queue()
    if (ear === undefined) return true
    this.#idle.push(ear)
    ear.listening.news()
    return true
  }
}
