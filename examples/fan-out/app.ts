import Router from '@koa/router'
import Koa from 'koa'
import { type Boundary, type ContinuationsOptions, continuations } from 'koa-continuation'
import { LaneError, type LaneOptions, type Lanes, lanes } from 'koa-continuation/lanes'
import { type Missing, type Part, type Trip, tripPage } from './page.js'
import { type Name, names } from './services.js'

export interface FanOutOptions extends ContinuationsOptions {
  /** Milliseconds for all five together. Default 1 000. */
  limit?: number
  /** Of each service's lane. Default 20 calls at once, and 20 in line. */
  lane?: Partial<LaneOptions>
}

export interface FanOutApp {
  readonly app: Koa
  readonly boundary: Boundary
  readonly work: Lanes<Name>
}

/** A trip's page asks five slow services, and is answered when all have spoken or the time is up. */
export function createApp(services: string, options: FanOutOptions = {}): FanOutApp {
  const { limit = 1_000, lane, ...others } = options
  const app = new Koa()
  const router = new Router()
  const boundary = continuations(others)
  // a lane for each: one that hangs keeps its own calls waiting, and nobody else's
  const own = { concurrency: 20, maxWaiting: 20, ...lane }
  const work = lanes(Object.fromEntries(names.map((name) => [name, own])) as Record<Name, LaneOptions>)

  router.get('/', (ctx) => ctx.redirect('/trip/Basel'))

  router.get('/trip/:city', (context) => {
    const ctx = context as Koa.Context
    const { continuation } = ctx
    const { city = '' } = context.params
    const began = performance.now()

    if (continuation.isInitial()) {
      const watch = new Stopwatch(began)
      continuation.setAttribute('watch', watch)
      continuation.setTimeout(limit)
      for (const name of names) {
        const url = `${services}/${name}?city=${encodeURIComponent(city)}`
        try {
          continuation.returnWhen(name, (signal) => watch.times(name, signal, ask(url, signal)))
        } catch (error) {
          // no room in this lane: there may be in others
          if (!(error instanceof LaneError)) throw error
          continuation.setAttribute(name, { status: 'rejected', reason: error })
        }
      }
      watch.handler += performance.now() - began
      // it is not, where none of them had room
      if (continuation.isSuspended()) return
    }

    const watch = continuation.getAttribute('watch') as Stopwatch
    const parts = names.map((name): Part => {
      const settled = continuation.getAttribute(name) as PromiseSettledResult<string>
      const ms = watch.of(name)
      return settled.status === 'fulfilled'
        ? { name, ms, says: settled.value }
        : { name, ms, missing: why(settled.reason) }
    })
    if (parts.every(({ says }) => says === undefined)) ctx.status = 504
    const now = performance.now()
    const ms = { total: Math.round(now - watch.began), handler: round(watch.handler + now - began) }
    const trip: Trip = { city, limit, parts, ms }
    ctx.body = ctx.accepts('json', 'html') === 'html' ? tripPage(trip) : asJson(trip)
  })

  app.use(boundary)
  app.use(work)
  app.use(router.routes())
  return { app, boundary, work }
}

async function ask(url: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(url, { signal })
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  return (await answer.json()) as string
}

function why(reason: unknown): Missing {
  if (!(reason instanceof LaneError)) return 'failed'
  return reason.code === 'ERR_LANE_FULL' ? 'busy' : 'too slow'
}

function asJson({ city, ms, parts }: Trip): object {
  const said = parts.flatMap(({ name, says }) => (says === undefined ? [] : [[name, says]]))
  const missing = parts.flatMap(({ name, missing }) => (missing === undefined ? [] : [[name, missing]]))
  return { city, ms, answers: Object.fromEntries(said), missing: Object.fromEntries(missing) }
}

const round = (ms: number): number => Math.round(ms * 10) / 10

/** When what happened, on the clock of `performance.now()`. */
class Stopwatch {
  /** Milliseconds in which the handler ran: in both dispatches together. */
  handler = 0
  readonly began: number
  readonly #times = new Map<Name, { from: number; to: number }>()

  constructor(began: number) {
    this.began = began
  }

  /** Notes when a service was asked, and when it answered or failed, unless it was given up before. */
  times(name: Name, signal: AbortSignal, answer: Promise<string>): Promise<string> {
    const from = performance.now() - this.began
    return answer.finally(() => {
      if (!signal.aborted) this.#times.set(name, { from, to: performance.now() - this.began })
    })
  }

  /** In milliseconds after the request; `undefined` where it was given up, or never asked. */
  of(name: Name): Part['ms'] {
    const times = this.#times.get(name)
    return times && { from: Math.round(times.from), to: Math.round(times.to) }
  }
}
