import type * as Koa from 'koa'
import { type AsideSettings, Deadline } from '../koa/aside.js'
import { hasLeft, onceLeft } from '../koa/connection.js'
import { type Passage, passageOf } from '../koa/passage.js'
import type { Permits, Waiting } from './permits.js'

/** What the runs under one limit have in common. */
export interface RunSettings {
  readonly permits: Permits
  readonly settings: AsideSettings
  /** Milliseconds that one that goes on waits for a permit at most; `0`, less, or `Infinity`: as long as it takes. */
  readonly timeout: number
  /** What it ends with when the time is up. */
  expired(): Error
}

/** Those that go on stand before all that are to begin, whose priority is finite. */
const GOING_ON = Number.POSITIVE_INFINITY

/**
 * One request below the limit: from when it was let in until it has left.
 *
 * It has a permit while it runs. Where it is parked below it gives the permit back, and takes one again before it goes on.
 * One whose client has left goes on without: nobody waits for what it does, and it is to hear of that at once.
 */
export class Run implements Passage {
  readonly ctx: Koa.Context
  readonly outer: Passage | undefined
  readonly #of: RunSettings
  #state: 'running' | 'parked' | 'waiting' | 'over'
  #since = 0
  #entering: Promise<void> | undefined
  /** With which it ends where it would have to wait for a permit. */
  #refusal: unknown
  #stopEntering: ((error?: unknown) => void) | undefined

  /** @param state `running`: it has a permit. `parked`: it had one in an earlier dispatch. */
  constructor(of: RunSettings, ctx: Koa.Context, state: 'running' | 'parked') {
    this.#of = of
    this.ctx = ctx
    this.outer = passageOf(ctx)
    this.#state = state
    if (state === 'running') this.#begin()
  }

  isUnder(permits: Permits): boolean {
    return this.#of.permits === permits
  }

  parked(): void {
    if (this.#state !== 'running') return
    this.#state = 'parked'
    this.#give(true)
  }

  reenter(): Promise<void> | undefined {
    if (this.#state === 'waiting') return this.#entering
    if (this.#state !== 'parked' || hasLeft(this.ctx)) return undefined
    if (this.#of.permits.take()) {
      this.#begin()
      return undefined
    }
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    this.#state = 'waiting'
    this.#entering = this.#wait()
    return this.#entering
  }

  refuse(error: unknown): boolean {
    this.#refusal = error
    if (this.#state !== 'waiting') return false
    this.#stopEntering?.(error)
    return true
  }

  /** @param well it has done what it was to do, so that its time may be learnt from */
  leave(well: boolean): void {
    const state = this.#state
    this.#state = 'over'
    if (state === 'running') this.#give(well)
    else this.#stopEntering?.()
  }

  #begin(): void {
    this.#state = 'running'
    const { permits, settings } = this.#of
    if (permits.limit.ran !== undefined) this.#since = settings.clock.now()
  }

  #give(well: boolean): void {
    const { permits, settings } = this.#of
    permits.give(well && permits.limit.ran !== undefined ? settings.clock.now() - this.#since : undefined)
  }

  #wait(): Promise<void> {
    const { permits, settings, timeout, expired } = this.#of
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(settings, {
        expire: () => this.#stopEntering?.(expired()),
      })
      const waiting: Waiting = {
        ctx: this.ctx,
        priority: GOING_ON,
        place: -1,
        arrival: 0,
        grant: () => {
          stop()
          this.#begin()
          settings.relay.push(resolve)
          return true
        },
        refuse: reject,
      }
      const stop = (): void => {
        permits.line.remove(waiting)
        deadline.stop()
        forget()
        this.#stopEntering = undefined
      }
      this.#stopEntering = (error) => {
        stop()
        if (this.#state === 'waiting') this.#state = 'parked'
        if (error === undefined) resolve()
        else reject(error)
      }
      const forget = onceLeft(this.ctx, this.#stopEntering)
      permits.line.push(waiting)
      deadline.start(timeout)
    })
  }
}
