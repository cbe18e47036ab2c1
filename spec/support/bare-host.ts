import type { Continuation } from '../../src/core/continuation.js'
import { UnknownLaneError } from '../../src/core/errors.js'
import type { Host } from '../../src/core/host.js'
import type { JobLane } from '../../src/core/jobs.js'
import { Life } from '../../src/core/life.js'
import { ManualClock } from './manual-clock.js'
import { recorder } from './scene.js'

/** A request without a framework: what the continuation asks for is written down, and time and turns are by hand. */
export class BareHost implements Host {
  readonly context = { method: 'GET', path: '/' } as unknown as Host['context']
  readonly clock: ManualClock
  readonly woken: Life[] = []
  readonly policy: Host['policy']
  readonly clientId = undefined
  readonly reported: unknown[] = []
  readonly continuation: Continuation = new Life(this, true).continuation
  /** How many holds are counted. */
  held = 0
  gone = false

  /** @param clock several may share one */
  constructor(clock = new ManualClock()) {
    this.clock = clock
    this.policy = {
      timeout: 100,
      jitter: 0,
      random: () => 0,
      clock,
      queue: { push: (next) => this.woken.push(next as Life) },
    }
  }

  admit(): void {
    this.held++
  }
  refuse(): boolean {
    return false
  }
  release(): void {
    this.held--
  }
  capture(): void {}
  enter(callback: () => void): void {
    callback()
  }
  parked(): void {}
  hearBody(): void {}
  reenter<T>(waiting: Promise<T>): Promise<T> {
    return waiting
  }
  isGone(): boolean {
    return this.gone
  }
  completed(): void {}
  dismissed(): void {}
  /** The lanes that stand above it. */
  readonly lanes: Record<string, JobLane> = {}
  lane(name: string): JobLane {
    const lane = this.lanes[name]
    if (lane === undefined) throw new UnknownLaneError(name, Object.keys(this.lanes))
    return lane
  }
  /** Whether the connection is to close with the answer. */
  isClosing = false
  closing(): void {
    this.isClosing = true
  }
  report(error: unknown): void {
    this.reported.push(error)
  }

  /** What the continuation's listeners hear, from the beginning. */
  readonly heard: string[] = []
  /** Called by the first listener of a suspension. */
  onSuspend: (() => void) | undefined
  /** Called by the last listener of a timeout. */
  onTimeout: (() => void) | undefined
  listening(): this {
    this.continuation.addContinuationListener({ onSuspend: () => this.onSuspend?.() })
    this.continuation.addContinuationListener(recorder(this.heard))
    this.continuation.addContinuationListener({ onTimeout: () => this.onTimeout?.() })
    return this
  }

  /** The same on a clock that others have too. */
  static on(clock: ManualClock): BareHost {
    const host = new BareHost()
    Object.assign(host, { clock })
    Object.assign(host.policy, { clock })
    return host
  }

  /** Gives everyone in the wake queue a turn. */
  turn(): void {
    for (const life of this.woken.splice(0)) life.wake()
  }
}
