import type * as Koa from 'koa'
import { PriorityLine, type Standing } from './priority-line.js'

/** How many may run at once. */
export interface Limit {
  readonly value: number
  /** One has run for `ms` milliseconds; at its end `running` ran, itself included. Missing where nothing is learnt of it. */
  ran?(ms: number, running: number): void
}

/** One that waits for a permit. */
export interface Waiting extends Standing {
  readonly ctx: Koa.Context
  /** Since when it waits, and until when, in milliseconds since 1970. Missing where it waits to go on. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** Lets it run, now that it has a permit. `false` where it no longer waits. */
  grant(): boolean
  /** Ends it with an error. */
  refuse(error: unknown): void
}

/**
 * Who may run, and who waits for that.
 *
 * A permit that is given back goes to the first in line at once. One that leaves the line, or cannot take it, takes
 * nothing with it: the next has its chance.
 */
export class Permits {
  readonly line = new PriorityLine<Waiting>()
  readonly limit: Limit
  #running = 0

  constructor(limit: Limit) {
    this.limit = limit
  }

  get running(): number {
    return this.#running
  }

  /** Takes a permit if there is one. Whoever has one gives it back. */
  take(): boolean {
    if (this.#running >= this.limit.value) return false
    this.#running++
    return true
  }

  /** @param ms how long it ran, where that is to be learnt from */
  give(ms: number | undefined): void {
    const running = this.#running--
    if (ms !== undefined) this.limit.ran?.(ms, running)
    while (this.#running < this.limit.value) {
      const next = this.line.shift()
      if (next === undefined) return
      this.#running++
      let granted = false
      try {
        granted = next.grant()
      } catch (error) {
        next.refuse(error)
      }
      if (!granted) this.#running--
    }
  }
}
