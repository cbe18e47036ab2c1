import type { Clock } from '../core/clock.js'
import type { Receipt } from './entries.js'

/** What is known of other processes. */
export interface Elsewhere {
  /** How many were woken there; `undefined` where nobody asked. */
  readonly elsewhere: number | undefined
  /** How many processes have not said in time. */
  readonly silent: number
}

interface Gathering {
  readonly woken: Map<string, number>
  /** Those that are there; `undefined` as long as the deed is not done here. */
  awaited: Set<string> | undefined
  timer: unknown
  readonly done: (elsewhere: Elsewhere) => void
}

/** How many that have left are remembered. */
const REMEMBERED = 100

/** Who else is there, and what they say of each deed. */
export class Receipts {
  readonly #clock: Clock
  readonly #patience: number
  readonly #others = new Set<string>()
  /** Who has left lately: a receipt of theirs may come behind that, as it stands in another channel. None comes back. */
  readonly #gone = new Set<string>()
  readonly #gatherings = new Map<number, Gathering>()
  /** All that are there had the time to say so. */
  #known = false
  #timer: unknown

  /** @param patience milliseconds to wait for others; 0: nobody is asked */
  constructor(clock: Clock, patience: number) {
    this.#clock = clock
    this.#patience = patience
  }

  get asks(): boolean {
    return this.#patience > 0
  }

  /** How many others there are. */
  get size(): number {
    return this.#others.size
  }

  /** This process has called the others. */
  begin(): void {
    if (this.asks) this.#timer = this.#clock.setTimeout(() => this.#isKnown(), this.#patience, undefined)
  }

  met(other: string): void {
    if (!this.#gone.has(other)) this.#others.add(other)
  }

  left(other: string): void {
    this.#others.delete(other)
    this.#gone.add(other)
    const [first] = this.#gone
    if (this.#gone.size > REMEMBERED && first !== undefined) this.#gone.delete(first)
    for (const [n, { awaited }] of this.#gatherings) if (awaited?.delete(other)) this.#check(n)
  }

  /** Receipts may come from now on. */
  expect(n: number): Promise<Elsewhere> {
    if (!this.asks) return Promise.resolve({ elsewhere: undefined, silent: 0 })
    return new Promise((done) => {
      this.#gatherings.set(n, { woken: new Map(), awaited: undefined, timer: undefined, done })
    })
  }

  /**
   * The deed is done here, in this very step: whoever is there now does it too, and whoever is met next, by what stands behind it,
   * need not.
   */
  begun(n: number): void {
    const gathering = this.#gatherings.get(n)
    if (gathering === undefined || gathering.awaited !== undefined) return
    gathering.awaited = new Set(this.#others)
    gathering.timer = this.#clock.setTimeout(() => this.#close(n), this.#patience, undefined)
    this.#check(n)
  }

  told({ n, by, woken }: Receipt): void {
    this.met(by)
    this.#gatherings.get(n)?.woken.set(by, woken)
    this.#check(n)
  }

  /** Nobody waits for it any more. */
  drop(n: number): void {
    this.#clock.clearTimeout(this.#gatherings.get(n)?.timer)
    this.#gatherings.delete(n)
  }

  end(): void {
    this.#clock.clearTimeout(this.#timer)
    for (const n of [...this.#gatherings.keys()]) this.#close(n)
  }

  #isKnown(): void {
    this.#known = true
    for (const n of [...this.#gatherings.keys()]) this.#check(n)
  }

  #check(n: number): void {
    const { awaited, woken } = this.#gatherings.get(n) ?? {}
    if (!this.#known || awaited === undefined) return
    for (const other of awaited) if (!woken?.has(other)) return
    this.#close(n)
  }

  #close(n: number): void {
    const gathering = this.#gatherings.get(n)
    if (gathering === undefined) return
    this.drop(n)
    const { woken, awaited = new Set(), done } = gathering
    const silent = [...awaited].filter((other) => !woken.has(other))
    // until they are heard of again
    for (const other of silent) this.#others.delete(other)
    let elsewhere = 0
    for (const count of woken.values()) elsewhere += count
    done({ elsewhere, silent: silent.length })
  }
}
