import assert from 'node:assert/strict'
import type Koa from 'koa'
import logger from 'koa-logger'
import { ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { type Served, serve } from '../../support/serve.js'

describe('koa-logger above the boundary', () => {
  let lines: string[]
  let clients: ContinuationManager
  let served: Served

  beforeEach(() => {
    lines = []
    clients = new ContinuationManager()
  })
  afterEach(() => served.close())

  /** Each line in words: an arrow, method, url, and for an answer status, time and length. */
  const transporter = (_: string, args: unknown[]): void => {
    // the arrow stands in the format, among colours
    const arrow = ['<--', '-->', '-x-', 'xxx'].find((arrow) => String(args[0]).includes(arrow))
    lines.push([arrow, ...args.slice(1)].join(' '))
  }
  const untimed = () => lines.map((line) => line.replace(/ [\d,]+(ms|s) /, ' '))

  const handler: Koa.Middleware = (ctx) => {
    const { continuation } = ctx
    if (ctx.path === '/none') return
    const times = (continuation.getAttribute('times') as number | undefined) ?? 0
    if (times === 2) {
      if (ctx.path === '/wrong') throw new Error('wrong')
      if (ctx.path === '/refused') ctx.throw(409, 'refused')
      ctx.status = 201
      ctx.body = 'news'
      return
    }
    continuation.setAttribute('times', times + 1)
    continuation.suspend()
    clients.stash(continuation)
    ctx.status = 202
    ctx.body = 'half an answer'
  }

  forEachKoa((_, Koa) => {
    const forms: [name: string, use: (app: Koa) => void][] = [
      ['continuations()', (app) => app.use(continuations()).use(handler)],
      ['suspendable()', (app) => app.use(suspendable(handler))],
    ]
    for (const [form, use] of forms) {
      describe(`above ${form}`, () => {
        const start = async (): Promise<void> => {
          const app = new Koa()
          app.use(logger({ transporter }))
          use(app)
          served = await serve(app)
        }
        const resumeTwice = async (): Promise<void> => {
          await until(() => clients.resume() === 1)
          await until(() => clients.resume() === 1)
        }

        it('a request has one line when it comes, and one with the final status and length when it was answered', async () => {
          await start()
          const asking = served.get('/subscribe?since=3')
          await until(() => clients.size === 1)
          assert.deepEqual(lines, ['<-- GET /subscribe?since=3'])
          await until(() => clients.resume() === 1)
          await until(() => clients.size === 1)
          assert.deepEqual(lines, ['<-- GET /subscribe?since=3'])
          clients.resume()
          assert.equal((await asking).body, 'news')
          await until(() => lines.length === 2)
          assert.deepEqual(untimed()[1], '--> GET /subscribe?since=3 201 4b')
        })

        it('the time is that from the request to the answer', async () => {
          await start()
          const { now } = Date
          try {
            const asking = served.get('/')
            await until(() => clients.size === 1)
            Date.now = () => now() + 7_000_000
            await resumeTwice()
            await asking
            await until(() => lines.length === 2)
            assert.match(String(lines[1]), /^--> GET \/ 201 7,00\ds 4b$/)
          } finally {
            Date.now = now
          }
        })

        it('an error has one line', async () => {
          await start()
          for (const [path, status] of [
            ['/wrong', 500],
            ['/refused', 409],
          ] as const) {
            lines = []
            const asking = served.get(path)
            await resumeTwice()
            assert.equal((await asking).status, status)
            assert.deepEqual(untimed(), [`<-- GET ${path}`, `xxx GET ${path} ${status} -`])
          }
        })

        it('a client that leaves has one line', async () => {
          await start()
          const asking = served.get('/')
          await until(() => clients.size === 1)
          asking.request.destroy()
          await until(() => lines.length === 2)
          assert.equal(clients.size, 0)
          assert.equal(clients.resume(), 0)
          assert.match(String(lines[1]), /^(-->|-x-) GET \/ /)
          assert.equal((await served.get('/none')).status, 404)
          await until(() => lines.length >= 4)
          assert.equal(lines.length, 4)
        })

        it('requests that are held at once have two lines each', async () => {
          await start()
          const askings = ['/a', '/b', '/c'].map((path) => served.get(path))
          await until(() => clients.size === 3)
          clients.resume()
          await until(() => clients.size === 3)
          clients.resume()
          await Promise.all(askings)
          await until(() => lines.length === 6)
          assert.deepEqual(untimed().slice(3).sort(), ['--> GET /a 201 4b', '--> GET /b 201 4b', '--> GET /c 201 4b'])
        })
      })
    }
  })
})
