/** What can stand in a chain, in one at a time. It keeps its own place, so nothing has to be looked for or made. */
export abstract class Chained<Item extends Chained<Item>> {
  before: Item | undefined = undefined
  after: Item | undefined = undefined
  chain: Chain<Item> | undefined = undefined
}

/**
 * Items in order of arrival. Joining and leaving cost a few assignments, however many there are.
 *
 * A `Set` makes itself a new table every so many additions, and the old one points to the new one and to all that was in it.
 * Once an old table has outlived two collections, the collector takes all of that for alive, and young garbage grows old.
 */
export class Chain<Item extends Chained<Item>> implements Iterable<Item> {
  #first: Item | undefined
  #last: Item | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Item | undefined {
    return this.#first
  }

  has(item: Item): boolean {
    return item.chain === this
  }

  push(item: Item): void {
    item.chain = this
    item.before = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.after = item
    this.#last = item
    this.#size++
  }

  /** @returns whether it was there */
  delete(item: Item): boolean {
    if (item.chain !== this) return false
    const { before, after } = item
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    item.chain = undefined
    item.before = undefined
    item.after = undefined
    this.#size--
    return true
  }

  /**
   * Takes the first out. A chain that is done with is emptied by this: where its items stayed linked, the first of them to grow
   * old would keep all that are behind it.
   */
  shift(): Item | undefined {
    const first = this.#first
    if (first !== undefined) this.delete(first)
    return first
  }

  /** While nobody leaves: to let go of some meanwhile, take a copy. */
  [Symbol.iterator](): Iterator<Item> {
    let next = this.#first
    return {
      next: () => {
        if (next === undefined) return { value: undefined, done: true }
        const value = next
        next = value.after
        return { value, done: false }
      },
    }
  }
}
