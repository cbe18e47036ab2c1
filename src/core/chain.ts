/** What can stand in a chain, in one at a time. It keeps its own place, so nothing has to be looked for or made. */
export interface Chained<Item> {
  before: Item | undefined
  after: Item | undefined
  isChained: boolean
}

/**
 * Items in order of arrival. Joining and leaving cost a few assignments, however many there are. What a `Set` does besides, it
 * pays for with a new table every so many additions, each bound to the one before: the collector then takes the young for old.
 */
export class Chain<Item extends Chained<Item>> {
  #first: Item | undefined
  #last: Item | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Item | undefined {
    return this.#first
  }

  push(item: Item): void {
    item.before = this.#last
    item.isChained = true
    if (this.#last === undefined) this.#first = item
    else this.#last.after = item
    this.#last = item
    this.#size++
  }

  /** @returns whether it was there */
  delete(item: Item): boolean {
    if (!item.isChained) return false
    const { before, after } = item
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    item.before = undefined
    item.after = undefined
    item.isChained = false
    this.#size--
    return true
  }

  /** Those that are there now, whatever becomes of them meanwhile. */
  all(): Item[] {
    const all: Item[] = []
    for (let item = this.#first; item !== undefined; item = item.after) all.push(item)
    return all
  }
}
