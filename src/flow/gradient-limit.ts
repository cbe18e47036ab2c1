import type { Limit } from './permits.js'

export interface Range {
  readonly min: number
  readonly max: number
  readonly initial: number
}

/** The least number of runs that a round is judged by; and how often a round lets the limit run through. */
const LEAST_RUNS = 100
const PASSES = 3

/** After how many rounds the time without a queue is measured anew; and after how many of a steep fall. */
const ROUNDS = 60
const STEEP_ROUNDS = 5
const STEEP = 0.6

/** How much longer than without a queue a round may take before the limit shrinks. */
const TOLERANCE = 1.25

/**
 * A limit that follows the measured latency, as the gradient controller of Envoy's adaptive concurrency filter does, and
 * Netflix's concurrency-limits before it.
 *
 * After each round the limit becomes `limit × gradient + √limit`. The gradient is `1.25 × base ÷ time`, between ½ and 2:
 * `time` is what the runs of the round took on the average, `base` what they take when nothing queues below. The root is
 * room for the limit to grow into. So it comes to stand a quarter and that root above what is worked on at once below, and
 * no more than that queues there. A round is as many runs as make its average worth something: 100, or three times the limit.
 *
 * `base` is measured with the limit halved, at the beginning, every 60 rounds, and when the limit keeps falling: in the
 * second round, for in the first there still is what ran before. While fewer than half of the limit run, nothing queues: the limit stays as it is.
 */
export class GradientLimit implements Limit {
  readonly #min: number
  readonly #max: number
  #limit: number
  #base = Number.POSITIVE_INFINITY
  #measuring: 'no' | 'soon' | 'now' = 'soon'
  #rounds = 0
  #steepRounds = 0
  #runs = 0
  #time = 0
  #most = 0

  constructor({ min, max, initial }: Range) {
    this.#min = min
    this.#max = max
    this.#limit = Math.min(max, Math.max(min, initial))
  }

  get value(): number {
    if (this.#measuring === 'no') return Math.floor(this.#limit)
    return Math.max(this.#min, Math.floor(this.#limit / 2))
  }

  ran(ms: number, running: number): void {
    this.#runs++
    this.#time += ms
    if (running > this.#most) this.#most = running
    if (this.#runs < LEAST_RUNS || this.#runs < PASSES * this.value) return
    const time = this.#time / this.#runs
    const most = this.#most
    this.#runs = 0
    this.#time = 0
    this.#most = 0
    this.#judge(time, most * 2 < this.#limit)
  }

  #judge(time: number, idle: boolean): void {
    this.#rounds++
    if (this.#measuring === 'soon') {
      this.#measuring = 'now'
    } else if (this.#measuring === 'now' || (idle && this.#isTimeToMeasure())) {
      this.#base = time
      this.#measuring = 'no'
      this.#rounds = 0
      this.#steepRounds = 0
    } else if (idle) {
      // nothing is learnt from a limit that nobody comes near
    } else if (this.#isTimeToMeasure()) {
      this.#measuring = 'soon'
    } else {
      const gradient = Math.min(2, Math.max(0.5, (TOLERANCE * this.#base) / time))
      const limit = this.#limit * (Number.isNaN(gradient) ? 1 : gradient) + Math.sqrt(this.#limit)
      this.#limit = Math.min(this.#max, Math.max(this.#min, limit))
      this.#steepRounds = gradient < STEEP ? this.#steepRounds + 1 : 0
    }
  }

  #isTimeToMeasure(): boolean {
    return this.#rounds > ROUNDS || this.#steepRounds >= STEEP_ROUNDS
  }
}
