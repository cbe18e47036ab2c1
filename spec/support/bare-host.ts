import { Continuation, driver } from '../../src/core/continuation.js'
import type { Host } from '../../src/core/host.js'
import { ManualClock } from './manual-clock.js'
import { recorder } from './scene.js'

/** A request without a framework: what the continuation asks for is written down, and time and turns are by hand. */
export class BareHost implements Host {
  readonly context = { method: 'GET', path: '/' } as unknown as Host['context']
  readonly clock = new ManualClock()
  readonly woken: Continuation[] = []
  readonly policy = {
    timeout: 100,
    jitter: 0,
    random: () => 0,
    clock: this.clock,
    queue: { push: (continuation: Continuation) => this.woken.push(continuation) },
  }
  readonly clientId = undefined
  readonly reported: unknown[] = []
  readonly continuation = new Continuation(this, true)
  /** How many holds are counted. */
  held = 0
  gone = false

  admit(): void {
    this.held++
  }
  release(): void {
    this.held--
  }
  capture(): void {}
  enter<A, B>(callback: (a: A, b: B) => void, a: A, b: B): void {
    callback(a, b)
  }
  parked(): void {}
  isGone(): boolean {
    return this.gone
  }
  completed(): void {}
  dismissed(): void {}
  report(error: unknown): void {
    this.reported.push(error)
  }

  /** What the continuation's listeners hear, from the beginning. */
  readonly heard: string[] = []
  /** Called by the last listener of a timeout. */
  onTimeout: (() => void) | undefined
  listening(): this {
    this.continuation.addContinuationListener(recorder(this.heard))
    this.continuation.addContinuationListener({ onTimeout: () => this.onTimeout?.() })
    return this
  }

  /** Gives everyone in the wake queue a turn. */
  turn(): void {
    for (const continuation of this.woken.splice(0)) driver.wake(continuation)
  }
}
