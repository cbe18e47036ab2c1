import { setImmediate } from 'node:timers/promises'
import type { Pictures } from './app.js'

export interface RushOptions {
  /** Where the app listens. */
  readonly url: string
  /** How many ask at once. */
  readonly clients: number
  /** Milliseconds that each of them waits. */
  readonly patience: number
}

export interface Rush {
  readonly served: number
  /** Told at once, or in time, to come back later. */
  readonly refused: number
  readonly gaveUp: number
  /** Milliseconds that those who were served have waited, in the middle. */
  readonly median: number | undefined
  /** Pictures that were drawn, for whoever. */
  readonly drawn: number
}

/** So many want a picture at once, and none of them waits for ever. */
export async function rush({ figures }: Pictures, { url, clients, patience }: RushOptions): Promise<Rush> {
  const before = figures.drawn
  const waits: number[] = []
  let refused = 0
  let gaveUp = 0
  const ask = async (seed: number): Promise<void> => {
    const begun = performance.now()
    try {
      const answer = await fetch(`${url}/pictures/${seed}`, { signal: AbortSignal.timeout(patience) })
      await answer.arrayBuffer()
      if (answer.ok) waits.push(performance.now() - begun)
      else refused++
    } catch {
      gaveUp++
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, seed) => ask(seed)))
  // what is drawn for those that have left is drawn to its end
  while (figures.drawing > 0) await setImmediate()
  const median = waits.sort((one, other) => one - other)[waits.length >> 1]
  return { served: waits.length, refused, gaveUp, median, drawn: figures.drawn - before }
}

/** One line of a table. */
export function shown(name: string, { served, refused, gaveUp, median, drawn }: Rush): string {
  const wait = median === undefined ? '-' : `${Math.round(median)} ms`
  const columns = [served, wait, refused, gaveUp, drawn].map((value) => String(value).padStart(9))
  return `${name.padEnd(14)}${columns.join('')}`
}

export const headings = `${''.padEnd(14)}${['served', 'waited', 'refused', 'gave up', 'drawn'].map((name) => name.padStart(9)).join('')}`
