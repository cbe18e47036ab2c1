import type * as Koa from 'koa'
import type { Outcome } from '../core/continuation.js'
import { Deadline } from '../core/deadline.js'
import { checkDrainOptions, type Drained, type DrainOptions, drain } from '../core/drain.js'
import type { Life } from '../core/life.js'
import { Relay } from './relay.js'
import { RequestHost } from './request-host.js'
import { type ContinuationsOptions, type Settings, settingsOf } from './settings.js'

/** What all that one middleware puts aside have in common. */
export interface AsideSettings extends Settings {
  readonly relay: Relay
}

/** @param options those of a boundary, but without limits for each client and without limits that nobody has set */
export function asideSettings(options: ContinuationsOptions): AsideSettings {
  const { total = Number.POSITIVE_INFINITY } = options.limits ?? {}
  const settings = settingsOf({ ...options, limits: { total, perClient: Number.POSITIVE_INFINITY } })
  const relay = new Relay(settings.clock)
  return { ...settings, relay, queue: { push: (next) => relay.push(() => next.wake()) } }
}

/**
 * The server goes away: nobody new is put aside, and those who are go on as they would, or fail with a `DrainError` shortly before the
 * timeout. `end` decides none of them: where the time of one is up, its turn may have come.
 *
 * @param also are drained with them, and may still be joined by others
 * @throws {TypeError | RangeError} `ERR_INVALID_OPTION` for options not known, of the wrong type or out of range
 */
export async function drainAside(
  { holds, here }: AsideSettings,
  options: DrainOptions = {},
  also: Iterable<Life> = [],
): Promise<Drained> {
  checkDrainOptions('drain()', options)
  holds.close()
  return drain(
    [...here, ...also].map(({ continuation }) => continuation),
    { ...options, end: undefined },
  )
}

/**
 * A request that middleware puts aside before it runs on.
 *
 * It is a continuation beside the one that a boundary gives out, so what stands below finds that one as if nothing had
 * been: initial, not resumed, heard of by no listener, and no manager wakes what was put aside. The body stays whole for
 * those below; while a large one is unread, nobody sees the client leave.
 */
export class Aside {
  readonly #life: Life
  readonly #settings: AsideSettings

  constructor(ctx: Koa.Context, settings: AsideSettings) {
    this.#settings = settings
    const host = new RequestHost(ctx, settings, true)
    void host.continuation
    this.#life = host.made as Life
  }

  /** Nothing has ended the wait. */
  get isWaiting(): boolean {
    return this.#life.isWaiting
  }

  get since(): number | undefined {
    return this.#life.since
  }

  get until(): number | undefined {
    return this.#life.until
  }

  /**
   * @param left called at once when it waits no more, for whatever reason; before the promise resolves
   * @throws {SuspensionLimitError} over the limit
   * @throws {IllegalStateError} where there is no response to hold
   */
  wait(timeout: number, left: () => void): Promise<Outcome> {
    // whoever lets it wait is about to let it go on
    this.#life.isAtWork = true
    this.#life.hold({ letGo: left })
    return this.#life.wait(timeout)
  }

  /** Ends the wait. `false` where something else has. */
  goOn(): boolean {
    return this.#life.resume(undefined)
  }

  /** Ends the wait with an error. `false` where something else has. */
  fail(error: unknown): boolean {
    return this.#life.fail(error)
  }

  /** There will be no other wait. */
  over(): void {
    void this.#life.returned(true)
    this.#settings.here.delete(this.#life)
  }
}

export { Deadline }
