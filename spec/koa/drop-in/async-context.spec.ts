import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type Koa from 'koa'
import { type Continuation, ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { turn, until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { ManualClock } from '../../support/manual-clock.js'
import { type Served, serve } from '../../support/serve.js'

const events = ['onSuspend', 'onResume', 'onTimeout', 'onError', 'onDisconnect', 'onComplete'] as const

describe('the async context of held requests', () => {
  forEachKoa((_, Koa) => {
    const clock = new ManualClock()
    const forms: [name: string, use: (app: Koa, handler: Koa.Middleware) => void][] = [
      ['below continuations()', (app, handler) => app.use(continuations({ clock })).use(handler)],
      [
        'in suspendable()',
        (app, handler) =>
          app
            .use(continuations({ clock }))
            .use((_, next) => next())
            .use(suspendable(handler)),
      ],
    ]
    const stores: [name: string, make: () => { app: Koa; store: () => string | undefined }][] = [
      [
        'an AsyncLocalStorage set above',
        () => {
          const storage = new AsyncLocalStorage<string>()
          const app = new Koa()
          app.use((ctx, next) => storage.run(ctx.url, next))
          return { app, store: () => storage.getStore() }
        },
      ],
      [
        'app.currentContext',
        () => {
          const app = new Koa({ asyncLocalStorage: true })
          return { app, store: () => app.currentContext?.url }
        },
      ],
    ]

    it('is that of the handler that suspends, where one further out listens before the AsyncLocalStorage is set', async () => {
      const storage = new AsyncLocalStorage<string>()
      const heard: string[] = []
      const listen = ({ continuation }: Koa.Context, who: string) =>
        continuation.addContinuationListener(
          Object.fromEntries(events.map((event) => [event, () => heard.push(`${who} ${event} ${storage.getStore()}`)])),
        )
      const app = new Koa()
      app.use(continuations({ clock }))
      app.use((ctx, next) => {
        if (ctx.continuation.isInitial()) listen(ctx, 'log')
        return next()
      })
      app.use((ctx, next) => storage.run(ctx.url, next))
      app.use((ctx) => {
        ctx.body = 'done'
        if (!ctx.continuation.isInitial()) return
        listen(ctx, 'handler')
        ctx.continuation.suspend()
      })
      const served = await serve(app)
      try {
        const asking = served.get('/held')
        await until(() => clock.timers === 1)
        clock.advance(30_000)
        await asking
        await until(() => heard.length === 6)
        assert.deepEqual(
          heard,
          ['onSuspend', 'onTimeout', 'onComplete'].flatMap((event) => [`log ${event} /held`, `handler ${event} /held`]),
        )
      } finally {
        await served.close()
      }
    })

    for (const [form, use] of forms) {
      for (const [kind, make] of stores) {
        describe(`${kind}, ${form}`, () => {
          let clients: ContinuationManager
          /** What ran, in whose context. */
          let ran: string[]
          let served: Served
          let store: () => string | undefined
          let resuming: string

          const start = async (handler: (ctx: Koa.Context, continuation: Continuation) => unknown): Promise<void> => {
            clients = new ContinuationManager()
            ran = []
            const made = make()
            store = made.store
            use(made.app, async (ctx) => {
              const { continuation } = ctx
              if (ctx.path === '/resume') {
                resuming = String(store())
                clients.resume(ctx.query['key'], {})
                ctx.body = 'ok'
                return
              }
              if (continuation.isInitial()) {
                const hear = (event: string) => () => ran.push(`${event} ${store()}`)
                continuation.addContinuationListener(
                  Object.fromEntries(events.map((event) => [event, hear(event)])) as Record<string, () => void>,
                )
              }
              ran.push(`dispatch ${store()}`)
              await turn()
              ran.push(`later ${store()}`)
              await handler(ctx, continuation)
            })
            served = await serve(made.app)
          }
          afterEach(() => served.close())

          const hold = (ctx: Koa.Context, continuation: Continuation): void => {
            if (!continuation.isInitial()) {
              ctx.body = 'done'
              return
            }
            continuation.suspend()
            clients.stash(continuation, ctx.path)
          }

          it('is its own where another request resumes it', async () => {
            await start(hold)
            const asking = served.get('/held')
            await until(() => clients.size === 1)
            await served.get('/resume?key=/held')
            assert.equal((await asking).body, 'done')
            await until(() => ran.length === 7)
            assert.equal(resuming, '/resume?key=/held')
            assert.deepEqual(ran, [
              'dispatch /held',
              'later /held',
              'onSuspend /held',
              'onResume /held',
              'dispatch /held',
              'later /held',
              'onComplete /held',
            ])
          })

          it('is its own where a request is one of many that are resumed at once', async () => {
            await start(hold)
            const paths = ['/a', '/b', '/c']
            const askings = paths.map((path) => served.get(path))
            await until(() => clients.size === 3)
            assert.equal(clients.broadcast(), 3)
            await Promise.all(askings)
            await until(() => ran.length === 21)
            for (const path of paths) {
              assert.equal(ran.filter((one) => one.endsWith(` ${path}`)).length, 7)
            }
          })

          it('is its own where its time runs out', async () => {
            await start(hold)
            const asking = served.get('/held')
            await until(() => clients.size === 1 && clock.timers === 1)
            clock.advance(30_000)
            await asking
            await until(() => ran.length === 7)
            assert.deepEqual(ran.slice(2), [
              'onSuspend /held',
              'onTimeout /held',
              'dispatch /held',
              'later /held',
              'onComplete /held',
            ])
          })

          it('is its own where somebody lets it fail', async () => {
            await start(hold)
            const asking = served.get('/held')
            await until(() => clients.size === 1)
            clients.fail('/held', new Error('wrong'))
            assert.equal((await asking).status, 500)
            await until(() => ran.length === 5)
            assert.deepEqual(ran.slice(2), ['onSuspend /held', 'onError /held', 'onComplete /held'])
          })

          it('is its own where the client leaves', async () => {
            await start(hold)
            const asking = served.get('/held')
            await until(() => clients.size === 1)
            asking.request.destroy()
            await until(() => ran.length === 5)
            assert.deepEqual(ran.slice(2), ['onSuspend /held', 'onDisconnect /held', 'onComplete /held'])
          })

          it('is its own after a wait()', async () => {
            await start(async (ctx, continuation) => {
              const waiting = continuation.wait()
              clients.stash(continuation, ctx.path)
              ran.push(`${await waiting} ${store()}`)
              ctx.body = 'done'
            })
            const asking = served.get('/held')
            await until(() => clients.size === 1)
            await served.get('/resume?key=/held')
            await asking
            await until(() => ran.length === 6)
            assert.deepEqual(ran, [
              'dispatch /held',
              'later /held',
              'onSuspend /held',
              'onResume /held',
              'resumed /held',
              'onComplete /held',
            ])
          })
        })
      }
    }
  })
})
