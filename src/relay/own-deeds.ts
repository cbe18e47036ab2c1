import { LogError } from '../log/errors.js'
import type { Gap, Position } from '../log/log.js'
import type { Deed } from './entries.js'

interface Pending {
  readonly deed: Deed
  /** As it was given, for those who wait here. */
  readonly error: Error | undefined
  /** Where it stands, once it is appended. */
  at: Position | undefined
  /** Up to where the log was read with a gap since: it may have been in that. */
  missed: Position | undefined
  readonly done: (woken: number) => void
  readonly failed: (error: Error) => void
}

type Act = (n: number, deed: Deed, error: Error | undefined) => number

/** What this process has relayed and not come across in the log yet. */
export class OwnDeeds {
  readonly #act: Act
  readonly #pending = new Map<number, Pending>()

  constructor(act: Act) {
    this.#act = act
  }

  get size(): number {
    return this.#pending.size
  }

  /** @returns how many were decided here, when it is come across */
  expect(n: number, deed: Deed, error: Error | undefined): Promise<number> {
    return new Promise((done, failed) => {
      this.#pending.set(n, { deed, error, at: undefined, missed: undefined, done, failed })
    })
  }

  appended(n: number, at: Position): void {
    const pending = this.#pending.get(n)
    if (pending === undefined) return
    pending.at = at
    this.#checkMissed(n, pending)
  }

  /** It is its turn. One that nobody waits for any more is done too, as it is everywhere else. */
  comeAcross(n: number, deed: Deed): void {
    const pending = this.drop(n)
    const woken = this.#act(n, deed, pending?.error)
    pending?.done(woken)
  }

  /** @param gap what was passed over is gone from the log, and yet known here */
  read(at: Position, gap: Gap | undefined): void {
    if (gap === undefined) return
    // what was at the end that the log has lost had any number
    const missed = gap === 'future' ? { epoch: at.epoch, seq: Number.POSITIVE_INFINITY } : at
    for (const [n, pending] of this.#pending) {
      pending.missed = missed
      this.#checkMissed(n, pending)
    }
  }

  /** The log cannot be read: what is in it is done sooner or later, and nobody can say when. */
  doubt(cause: unknown): void {
    const code = cause instanceof LogError ? cause.code : 'ERR_LOG_AWAY'
    const message = 'The log cannot be read: it has the wake-up, which is done when it can be read again'
    for (const [n, { at, failed }] of [...this.#pending]) {
      if (at === undefined) continue
      this.#pending.delete(n)
      failed(new LogError(code, message, { inDoubt: true, cause }))
    }
  }

  failAll(errorOf: () => Error): void {
    for (const n of [...this.#pending.keys()]) this.drop(n)?.failed(errorOf())
  }

  drop(n: number): Pending | undefined {
    const pending = this.#pending.get(n)
    this.#pending.delete(n)
    return pending
  }

  #checkMissed(n: number, { at, missed, deed }: Pending): void {
    if (at === undefined || missed === undefined) return
    if (at.epoch !== missed.epoch || at.seq <= missed.seq) this.comeAcross(n, deed)
  }
}
