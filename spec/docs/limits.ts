import assert from 'node:assert/strict'
import type Router from '@koa/router'
import Koa from 'koa'
import { lanes } from '../../src/flow/lanes.js'
import { type Qos, qos } from '../../src/flow/qos.js'
import { type Throttle, throttle } from '../../src/flow/throttle.js'
import { continuations } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { type Asking, serve } from '../support/serve.js'

type Shows = (name: string, look: (own: Record<string, unknown>) => Promise<void>, add?: () => object) => void

/** What is shown of limits: so many at once, and so often. */
export function showLimits(shows: Shows): void {
  /** Asks as often while all are held below, and answers with the statuses when `seen` holds. */
  const asked = async (app: Koa, times: number, seen: (running: number) => boolean): Promise<number[]> => {
    const opened = gate()
    let running = 0
    app.use(async (ctx) => {
      running++
      await opened
      ctx.body = 'fine'
    })
    const served = await serve(app)
    const asking: Asking[] = []
    for (let n = 0; n < times; n++) asking.push(served.get('/'))
    await until(() => seen(running))
    opened.open()
    const statuses = (await Promise.all(asking)).map(({ status }) => status)
    await served.close()
    return statuses
  }

  for (const name of ['docs/flow.md, qos: so many at once #1', 'src/flow/qos.ts, qos #1']) {
    shows(
      name,
      async ({ app }) => {
        const statuses = await asked(app as Koa, 12, (running) => running === 10)
        assert.deepEqual(statuses, Array(12).fill(200))
      },
      () => ({ qos }),
    )
  }

  shows(
    'docs/flow.md, qos: so many at once #2',
    async ({ app }) => assert.deepEqual(await asked(app as Koa, 55, (running) => running === 50), Array(55).fill(200)),
    () => ({ qos }),
  )

  shows(
    'docs/flow.md, qos: so many at once #3',
    async ({ router, limit }) => {
      const served = await serve(new Koa().use((router as Router).routes()))
      const asking = [served.get('/report'), served.get('/export')]
      await until(() => (limit as Qos).running === 2)
      assert.equal((await served.get('/status')).body, '{"running":2,"suspended":0}')
      opened.open()
      for (const each of asking) assert.equal((await each).status, 204)
      await served.close()
    },
    () => ({ qos, report: held, exportAll: held }),
  )
  const opened = gate()
  const held: Koa.Middleware = async (ctx) => {
    await opened
    ctx.status = 204
  }

  shows(
    'docs/flow.md, A limit that follows the latency #1',
    // at first with half of it, to measure
    async ({ app }) => assert.deepEqual(await asked(app as Koa, 12, (running) => running === 10), Array(12).fill(200)),
    () => ({ qos }),
  )

  shows(
    'docs/flow.md, What to watch #1',
    async ({ app, router, limit, boundary, work }) => {
      const once = throttle({ rate: 1, burst: 1, delay: 0, penalty: 0, clientId: () => 'me' })
      for (const each of [limit, boundary, work, (router as Router).routes(), once])
        (app as Koa).use(each as Koa.Middleware)
      const served = await serve(app as Koa)
      for (let n = 0; n < 3; n++) await served.get('/elsewhere')
      assert.deepEqual(JSON.parse((await served.get('/metrics')).body), {
        held: 0,
        running: 1,
        suspended: 0,
        lanes: { database: { running: 0, waiting: 0, abandoned: 0 } },
        refused: { ERR_RATE_LIMIT: 2 },
      })
      await served.close()
    },
    () => ({ boundary: continuations(), limit: qos(), work: lanes({ database: { concurrency: 1 } }) }),
  )

  const from = { 'x-forwarded-for': '192.0.2.1' }
  const fine: Koa.Middleware = (ctx) => {
    ctx.body = 'fine'
  }
  for (const name of ['docs/flow.md, throttle: so often for each client #1', 'src/flow/throttle.ts, throttle #1']) {
    shows(
      name,
      async ({ app }) => {
        const served = await serve(Object.assign(app as Koa, { proxy: true }).use(fine))
        const { headers } = await served.get('/', from)
        assert.deepEqual(
          [headers['ratelimit-policy'], headers['ratelimit']],
          ['"default";q=50;w=5', '"default";r=49;t=5'],
        )
        await served.close()
      },
      () => ({ throttle }),
    )
  }

  shows(
    'docs/flow.md, throttle: so often for each client #2',
    async ({ router }) => {
      const app = Object.assign(new Koa(), { proxy: true })
      const served = await serve(app.use((router as Router).routes()).use(fine))
      const login = async (address: string): Promise<number> =>
        (await served.ask('POST', '/login', { headers: { 'x-forwarded-for': address } })).status
      const statuses = []
      for (let n = 0; n < 6; n++) statuses.push(await login('192.0.2.1'))
      assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429])
      // one household has many addresses
      statuses.length = 0
      for (let n = 0; n < 6; n++) statuses.push(await login(`2001:db8:1:2::${n}`))
      assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429])
      const { status, headers } = await served.get('/', from)
      assert.deepEqual([status, headers['ratelimit']], [200, undefined])
      await served.close()
    },
    () => ({ throttle, login: fine }),
  )

  const made: (Qos | Throttle)[] = []
  shows(
    'README.md, Too much at once #1',
    async ({ app }) => {
      assert.equal(made.length, 2)
      assert.deepEqual(await asked(app as Koa, 12, (running) => running === 10), Array(12).fill(200))
    },
    () => ({
      qos: (options: object) => {
        made.push(qos(options))
        return made.at(-1)
      },
      throttle: (options: object) => {
        made.push(throttle(options))
        return made.at(-1)
      },
    }),
  )
}
