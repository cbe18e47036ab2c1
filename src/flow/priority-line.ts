/** Who stands in a line: its priority, and its place there, which is the line's to set; -1 when it has left. */
export interface Standing {
  readonly priority: number
  place: number
  arrival: number
}

/**
 * Those in line: the higher priority goes first, and within a priority who came first.
 *
 * Joining and leaving, from wherever in the line, cost the logarithm of how many stand in it.
 */
export class PriorityLine<Item extends Standing> {
  /** A binary heap: each goes before the two at twice its place and one or two more. */
  readonly #heap: Item[] = []
  #arrivals = 0

  get size(): number {
    return this.#heap.length
  }

  push(item: Item): void {
    item.arrival = this.#arrivals++
    this.#heap.push(item)
    this.#rise(item, this.#heap.length - 1)
  }

  /** Whose turn it is: leaves the line. */
  shift(): Item | undefined {
    const first = this.#heap[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  /** One who has left already changes nothing. */
  remove(item: Item): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#heap.pop() as Item
    if (last === item) return
    this.#rise(last, place)
    if (last.place === place) this.#sink(last, place)
  }

  /** Whose turn would come last. All are looked at. */
  get last(): Item | undefined {
    let last = this.#heap[0]
    for (const item of this.#heap) if (goesBefore(last as Item, item)) last = item
    return last
  }

  /** All, in the order of their turns. */
  [Symbol.iterator](): IterableIterator<Item> {
    return this.#heap.toSorted((one, other) => (goesBefore(one, other) ? -1 : 1)).values()
  }

  #rise(item: Item, from: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const before = this.#heap[parent] as Item
      if (goesBefore(before, item)) break
      this.#put(before, place)
      place = parent
    }
    this.#put(item, place)
  }

  #sink(item: Item, from: number): void {
    const heap = this.#heap
    let place = from
    for (;;) {
      let child = place * 2 + 1
      let next = heap[child]
      const other = heap[child + 1]
      if (next === undefined) break
      if (other !== undefined && goesBefore(other, next)) {
        next = other
        child++
      }
      if (goesBefore(item, next)) break
      this.#put(next, place)
      place = child
    }
    this.#put(item, place)
  }

  #put(item: Item, place: number): void {
    this.#heap[place] = item
    item.place = place
  }
}

function goesBefore(one: Standing, other: Standing): boolean {
  return one.priority > other.priority || (one.priority === other.priority && one.arrival < other.arrival)
}
