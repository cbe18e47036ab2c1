import assert from 'node:assert/strict'
import type { PostingPort } from '../../src/log/port/index.js'

type Listener = (message?: unknown) => void

/** Both ends of a port whose messages a test counts, holds up, and cuts off. */
export interface PortPair {
  readonly ends: readonly [End, End]
  /** How many messages were delivered, to either end. */
  readonly delivered: number
  /** Nothing is delivered until it is released. */
  hold(): void
  release(): void
  /** The port closes. What is on its way does not arrive. */
  cut(): void
}

export interface End extends PostingPort {
  /** What waits to be delivered to this end. */
  readonly waiting: readonly unknown[]
  readonly listeners: number
}

/** @param cutAfter so many messages. Default `Infinity` */
export function portPair(cutAfter = Number.POSITIVE_INFINITY): PortPair {
  let open = true
  let held = false
  let delivered = 0
  const cut = (): void => {
    if (!open) return
    open = false
    for (const end of ends) end.queue.length = 0
    for (const end of ends) end.tell('close')
  }
  const deliver = (to: OneEnd): void => {
    if (!open || held) return
    const message = to.queue.shift()
    if (message === undefined) return
    if (delivered === cutAfter) cut()
    else {
      delivered++
      to.tell('message', message)
    }
  }
  class OneEnd implements End {
    readonly queue: unknown[] = []
    readonly #listeners: { event: string; listener: Listener }[] = []
    other: OneEnd = this

    get waiting(): readonly unknown[] {
      return this.queue
    }
    get listeners(): number {
      return this.#listeners.length
    }
    postMessage(message: unknown): void {
      const copy = JSON.parse(JSON.stringify(message))
      assert.deepEqual(copy, message, 'it is to be what JSON keeps')
      if (!open) return
      this.other.queue.push(copy)
      setImmediate(deliver, this.other)
    }
    on(event: string, listener: Listener): void {
      this.#listeners.push({ event, listener })
    }
    off(event: string, listener: Listener): void {
      const place = this.#listeners.findIndex((one) => one.event === event && one.listener === listener)
      if (place >= 0) this.#listeners.splice(place, 1)
    }
    tell(event: string, message?: unknown): void {
      for (const one of [...this.#listeners]) if (one.event === event) one.listener(message)
    }
  }
  const ends = [new OneEnd(), new OneEnd()] as const
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return {
    ends,
    get delivered() {
      return delivered
    },
    hold() {
      held = true
    },
    release() {
      held = false
      for (const end of ends) for (const _ of end.queue) setImmediate(deliver, end)
    },
    cut,
  }
}
