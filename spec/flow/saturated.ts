import type { Limit } from '../../src/flow/permits.js'
import { seeded } from '../support/random.js'

export interface Saturated {
  readonly limit: Limit
  /** How many the part below works on at once; others queue there. At a time in milliseconds. */
  workers(now: number): number
  /** Milliseconds of work for one, by a number from 0 to 1. */
  work(random: number, now: number): number
  /** How many want to run at once, at most. */
  readonly demand?: number
  readonly duration: number
}

/** What the second half of a run came to. */
export interface Yield {
  /** Runs a millisecond. */
  readonly rate: number
  /** The limit, on the average of the time. */
  readonly limit: number
}

/** Plays through, without a clock, what a limit does that is always made full use of. */
export function saturate({ limit, workers, work, demand = Number.POSITIVE_INFINITY, duration }: Saturated): Yield {
  const random = seeded(1)
  const queue: Job[] = []
  const working: Job[] = []
  let now = 0
  let running = 0
  let done = 0
  let area = 0
  const begin = (): void => {
    while (queue.length > 0 && working.length < workers(now)) {
      const job = queue.shift() as Job
      working.push({ ...job, end: now + work(random(), now) })
    }
  }
  while (now < duration) {
    for (; running < Math.min(demand, limit.value); running++) queue.push({ since: now, end: 0 })
    begin()
    const next = working.reduce((first, job) => (job.end < first.end ? job : first))
    working.splice(working.indexOf(next), 1)
    if (now > duration / 2) {
      done++
      area += (next.end - now) * limit.value
    }
    now = next.end
    limit.ran?.(now - next.since, running)
    running--
  }
  return { rate: done / (duration / 2), limit: area / (duration / 2) }
}

interface Job {
  readonly since: number
  readonly end: number
}
