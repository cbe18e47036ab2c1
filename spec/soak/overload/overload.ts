import { type Child, start } from '../child.js'

export interface AppOptions {
  /** How many are worked on at once behind the app, and for how many milliseconds each. */
  readonly workers: number
  readonly work: number
  /** Without it there is no qos(). */
  readonly maxRequests?: number
  readonly maxSuspended?: number
  readonly timeout?: number
  /** The share of handlers and of calls of `priority` that throw. */
  readonly throws: number
}

export interface AppFigures {
  /** The most that the handler was in at once. */
  most: number
  served: number
  thrown: number
  inHandler: number
  running: number
  suspended: number
}

export interface LoadOptions {
  readonly port: number
  readonly seconds: number
  /** Requests a second, whatever becomes of them. */
  readonly rate?: number
  /** Or so many at once, each after the answer before. */
  readonly atOnce?: number
  /** The share that is urgent. */
  readonly high: number
  /** The share whose client leaves, at any moment within so many milliseconds. */
  readonly leave: number
  readonly patience: number
}

export interface Answers {
  asked: number
  left: number
  /** How often each status came. */
  statuses: Record<number, number>
  /** Milliseconds of those that were served. */
  high: number[]
  low: number[]
  /** From the first request to the last answer. */
  seconds: number
}

export interface Overload {
  /** Requests a second that were worked on while requests came. */
  readonly rate: number
  readonly answers: Answers
  readonly app: AppFigures
}

async function withApp<Result>(options: AppOptions, run: (app: Child, port: number, load: Child) => Promise<Result>) {
  const [app, load] = await Promise.all(['server.ts', 'load.ts'].map((name) => start(new URL(name, import.meta.url))))
  try {
    return await run(app as Child, await (app as Child).ask<number>('open', options), load as Child)
  } finally {
    await Promise.all([app?.stop(), load?.stop()])
  }
}

const quiet: Omit<LoadOptions, 'port' | 'seconds'> = { high: 0, leave: 0, patience: 0 }

/** The most that the app does without qos(): over so many at once as serve it best. */
export function best({ workers, work }: AppOptions, seconds: number): Promise<{ rate: number; atOnce: number }> {
  return withApp({ workers, work, throws: 0 }, async (_app, port, load) => {
    let best = { rate: 0, atOnce: 0 }
    for (const atOnce of [0.5, 1, 2, 4].map((share) => Math.ceil(share * workers))) {
      const { statuses, seconds: took } = await load.ask<Answers>('load', { ...quiet, port, seconds, atOnce })
      const rate = (statuses[200] ?? 0) / took
      if (rate > best.rate) best = { rate, atOnce }
    }
    return best
  })
}

/** What the app does with qos() above it when so many requests a second come. */
export function overload(options: AppOptions, load: Omit<LoadOptions, 'port'>): Promise<Overload> {
  return withApp(options, async (app, port, loader) => {
    const asking = loader.ask<Answers>('load', { port, ...load })
    // the rest of the line is served after that
    await new Promise((resolve) => setTimeout(resolve, load.seconds * 1_000))
    const { served, thrown } = await app.ask<AppFigures>('figures')
    const rate = (served + thrown) / load.seconds
    const answers = await asking
    // the last answer was sent a moment before its permit is back
    let figures = await app.ask<AppFigures>('figures')
    while (figures.inHandler > 0) figures = await app.ask<AppFigures>('figures')
    // so many run again as may, so every permit is there
    const { maxRequests = 0 } = options
    await loader.ask('load', { ...quiet, port, seconds: 0.5, atOnce: 2 * maxRequests })
    return { rate, answers, app: await app.ask<AppFigures>('figures') }
  })
}
