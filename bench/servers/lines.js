/** Whoever waits, by key; a key without anybody is forgotten. */
export class Lines {
  #lines = new Map()
  size = 0

  add(key, waiter) {
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = new Set()
      this.#lines.set(key, line)
    }
    line.add(waiter)
    this.size++
  }

  delete(key, waiter) {
    const line = this.#lines.get(key)
    if (!line?.delete(waiter)) return
    this.size--
    if (line.size === 0) this.#lines.delete(key)
  }

  /** All that wait under a key, who wait no longer. */
  take(key) {
    const line = this.#lines.get(key) ?? new Set()
    this.#lines.delete(key)
    this.size -= line.size
    return line
  }
}
