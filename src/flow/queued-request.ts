import type * as Koa from 'koa'
import { Aside, type AsideSettings } from '../koa/aside.js'
import type { Permits, Waiting } from './permits.js'

/** How a wait for the turn ended: it has come, with a permit; the time was up; or nobody waits for an answer any more. */
export type Turn = 'come' | 'expired' | 'over'

/** A request that waits to be let in. */
export class QueuedRequest implements Waiting {
  readonly ctx: Koa.Context
  readonly priority: number
  place = -1
  arrival = 0
  readonly #permits: Permits
  readonly #aside: Aside
  #granted = false

  constructor(ctx: Koa.Context, priority: number, permits: Permits, settings: AsideSettings) {
    this.ctx = ctx
    this.priority = priority
    this.#permits = permits
    this.#aside = new Aside(ctx, settings)
  }

  get since(): number | undefined {
    return this.#aside.since
  }

  get until(): number | undefined {
    return this.#aside.until
  }

  /**
   * @throws {SuspensionLimitError} where too many wait
   * @throws what it was refused with
   */
  async turn(timeout: number): Promise<Turn> {
    const { line } = this.#permits
    const aside = this.#aside
    let held = false
    try {
      const waiting = aside.wait(timeout, () => line.remove(this))
      if (aside.isWaiting) line.push(this)
      const outcome = await waiting
      if (outcome === 'expired') return 'expired'
      held = outcome === 'resumed'
      return held ? 'come' : 'over'
    } finally {
      aside.over()
      // it had its turn, and then another limit further out refused it
      if (this.#granted && !held) this.#permits.give(undefined)
    }
  }

  grant(): boolean {
    this.#granted = this.#aside.goOn()
    return this.#granted
  }

  refuse(error: unknown): void {
    if (!this.#aside.fail(error)) this.ctx.app.emit('error', error, this.ctx)
  }
}
