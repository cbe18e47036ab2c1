import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { bodyParser } from '@koa/bodyparser'
import type Router from '@koa/router'
import Koa from 'koa'
import { type Lanes, lanes } from '../../src/flow/lanes.js'
import { type Offload, type OffloadOptions, offload } from '../../src/flow/offload.js'
import { continuations } from '../../src/index.js'
import { hash } from '../flow/offload-tasks.js'
import { type Answer, type Served, serve } from '../support/serve.js'

interface World extends Record<string, unknown> {
  app: Koa
  router: Router
}

type Shows = (name: string, look: (own: World) => Promise<void>, add?: () => object) => void

/** What is shown of lanes, and of off-loading. */
export function showLanes(shows: Shows): void {
  const query = async (sql: string, signal: AbortSignal, values?: unknown[]): Promise<object> => ({
    sql,
    values,
    aborted: signal.aborted,
  })
  const database = lanes({ database: { concurrency: 1 } })

  /** Asks the app that the snippet has put together, whichever of the usual middleware it has itself. */
  async function asked(own: World, asks: (served: Served) => Promise<Answer>): Promise<string> {
    const { app, router } = own
    const whole = new Koa().use(continuations()).use(bodyParser()).use(database)
    for (const middleware of app.middleware.filter(({ name }) => name !== 'continuations')) whole.use(middleware)
    const served = await serve(whole.use(router.routes()))
    const { body } = await asks(served)
    await served.close()
    return body
  }

  for (const [name, path, expected] of [
    ['README.md, Lanes of work #1', '/puppies', { sql: 'SELECT * FROM puppies', aborted: false }],
    ['docs/flow.md, Lanes #1', '/puppies', { sql: 'SELECT * FROM puppies', aborted: false }],
    ['docs/flow.md, Lanes #2', '/puppies/7', { sql: 'SELECT … WHERE id = $1', values: ['7'], aborted: false }],
    ['src/core/continuation.ts, returnWhen #1', '/puppies', { sql: 'SELECT * FROM puppies', aborted: false }],
    [
      'src/core/continuation.ts, waitFor #1',
      '/puppies/7',
      { sql: 'SELECT … WHERE id = $1', values: ['7'], aborted: false },
    ],
  ] as const) {
    shows(
      name,
      async (own) => assert.deepEqual(JSON.parse(await asked(own, ({ get }) => get(path))), expected),
      () => ({ lanes, query }),
    )
  }

  shows(
    'src/flow/lanes.ts, lanes #1',
    async (own) => {
      own.router.get('/', async (ctx) => {
        ctx.body = await ctx.continuation.waitFor('search', () => 'found')
      })
      assert.equal(await asked(own, ({ get }) => get('/')), 'found')
    },
    () => ({ lanes }),
  )

  shows(
    'docs/flow.md, Several at once #1',
    async (own) => {
      const answers = ['weather', 'trains', 'trains/back'].map((value) => ({ status: 'fulfilled', value }))
      assert.deepEqual(JSON.parse(await asked(own, ({ get }) => get('/trip'))), answers)
    },
    () => ({ lanes, ask: async (what: string) => what }),
  )

  const sent: unknown[] = []
  const send = async (text: string): Promise<void> => void sent.push(text)
  const log = (shown: unknown): void =>
    assert.equal(inspect(shown), 'Lanes { mail: 0 of 2 running, 0 of 1000 waiting }')
  for (const name of ['docs/flow.md, Jobs for no request #1', 'src/flow/lanes.ts, run #1']) {
    shows(
      name,
      async ({ work }) => {
        assert.deepEqual(sent.splice(0), ['hello'])
        await (work as Lanes).close()
      },
      () => ({ lanes, send, console: { log } }),
    )
  }

  /** The file that is shown is beside this one by another name. */
  const shown = (_file: URL, options: OffloadOptions): Offload<unknown, unknown> =>
    offload(new URL('../flow/offload-tasks.ts', import.meta.url), {
      ...options,
      name: 'hash',
      export: 'hash',
      pool: { execArgv: ['--require', 'tsx/cjs'] },
    })
  for (const [name, paths] of [
    ['docs/flow.md, Off-loading #1', ['/hash', '/hash/awaited']],
    ['src/flow/offload.ts, offload #1', ['/hash']],
  ] as const) {
    shows(
      name,
      async (own) => {
        const task = { password: 'secret', salt: 'salt' }
        for (const path of paths) assert.equal(await asked(own, ({ post }) => post(path, task)), hash(task))
        await (own['hash'] as Offload<unknown, unknown>).close()
      },
      () => ({ offload: shown }),
    )
  }
}
