import assert from 'node:assert/strict'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import { PlainHold } from '../../src/index.js'
import { until } from '../support/gate.js'
import { serve } from '../support/serve.js'

type Shows = (name: string, look: (own: Record<string, unknown>) => Promise<void>, add: () => object) => void

/** What is shown of requests that all get the same answer. */
export function showHolds(shows: Shows): void {
  for (const name of ['README.md, The same answer for all #1', 'src/hold/plain-hold.ts, PlainHold #1']) {
    shows(
      name,
      async (own) => {
        const { router, ticker } = own as { router: Router; ticker: PlainHold }
        const served = await serve(new Koa().use(bodyParser()).use(router.routes()))
        try {
          const asking = [served.get('/price'), served.get('/price')]
          await until(() => ticker.size === 2)
          assert.equal((await served.post('/price', { tea: 3 })).body, '{"told":2}')
          for (const { body } of await Promise.all(asking)) assert.equal(body, '{"tea":3}')
        } finally {
          await served.close()
        }
      },
      () => ({ PlainHold, router: new Router() }),
    )
  }
}
