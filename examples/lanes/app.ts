import Router from '@koa/router'
import Koa from 'koa'
import { type Boundary, type ContinuationsOptions, continuations } from 'koa-continuation'
import { type LaneOptions, type Lanes, lanes } from 'koa-continuation/lanes'
import type { Database } from './database.js'
import { type Found, puppiesPage } from './page.js'
import { matching } from './puppies.js'
import { refusals } from './refusal.js'
import { wishOf } from './wish.js'

export interface PuppiesOptions extends ContinuationsOptions {
  /** The database answers one query at a time, so many may be in line. Default 30: as many as it serves in half the time that a request waits. */
  database?: Partial<LaneOptions>
}

export interface PuppiesApp {
  readonly app: Koa
  readonly boundary: Boundary
  readonly work: Lanes<'database'>
}

/** A page of puppies. Its request is put aside while the database looks for them. */
export function createApp(database: Database, options: PuppiesOptions = {}): PuppiesApp {
  const { database: lane, ...others } = options
  const app = new Koa()
  const router = new Router()
  const boundary = continuations({ timeout: 10_000, ...others })
  const work = lanes({ database: { concurrency: 1, maxWaiting: 30, ...lane } })

  router.get('/', (context) => {
    const ctx = context as Koa.Context
    const { continuation } = ctx
    const wish = wishOf(ctx)
    if (continuation.isInitial()) {
      const asked = performance.now()
      // it goes on though nobody waits for it any more, for no query can be stopped: so it ignores its signal
      const job = async (): Promise<Found> => {
        const began = performance.now()
        const puppies = await matching(database, wish)
        return { puppies, ms: { inLine: Math.round(began - asked), query: Math.round(performance.now() - began) } }
      }
      continuation.returnWhen('database', job, { as: 'found', priority: wish.member ? 1 : 0 })
      return
    }
    const found = continuation.resultOf('found')
    ctx.body = ctx.accepts('json', 'html') === 'html' ? puppiesPage(found, wish, work.stats().database) : found
  })

  // needs no database: it is answered at once, however many wait
  router.get('/status', (ctx) => {
    ctx.body = work.stats()
  })

  app.use(refusals)
  app.use(boundary)
  app.use(work)
  app.use(router.routes())

  return { app, boundary, work }
}

declare module 'koa-continuation' {
  interface ContinuationAttributes {
    found: PromiseSettledResult<Found>
  }
}
