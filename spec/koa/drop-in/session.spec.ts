import assert from 'node:assert/strict'
import Koa from 'koa'
import session from 'koa-session'
import { ContinuationManager, continuations } from '../../../src/index.js'
import { type Ask, alike, receive, type Wire } from '../../support/alike.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { serve } from '../../support/serve.js'

interface Session {
  count?: number
  seen?: string[]
}

/** A cookie that ends with the browser holds no time, so that two are the same. */
const inCookie = { maxAge: 'session' } as const

function inStore(sessions = new Map<string, object>()) {
  const store = {
    get: async (key: string) => structuredClone(sessions.get(key)),
    set: async (key: string, value: object) => {
      sessions.set(key, structuredClone(value))
    },
    destroy: async (key: string) => {
      sessions.delete(key)
    },
  }
  return { maxAge: 'session' as const, store, genid: () => 'session-0' }
}

const again: Ask = (served, previous) => {
  const cookies = previous?.headers['set-cookie'] ?? []
  return served.get('/', { cookie: cookies.map((cookie) => cookie.split(';')[0]).join('; ') })
}

function cookie(wire: Wire): Session {
  const cookies = (wire.headers['set-cookie'] ?? []).filter((cookie) => cookie.startsWith('koa.sess='))
  assert.equal(cookies.length, 1)
  const value = cookies[0]?.split(';')[0]?.slice('koa.sess='.length) ?? ''
  return JSON.parse(Buffer.from(value, 'base64').toString())
}

describe('koa-session with held requests', () => {
  forEachKoa((_, Koa) => {
    for (const above of [false, true]) {
      for (const [kind, options] of [
        ['in the cookie', () => ({ ...inCookie })],
        ['in a store', inStore],
      ] as const) {
        it(`counts each request once, with the session ${kind}, ${above ? 'above' : 'below'} the boundary`, async () => {
          const wires = await alike({
            Koa,
            asks: [again, again, again],
            build(app, { boundary, handler }) {
              const sessions = session(options(), app)
              app.use(above ? sessions : boundary)
              app.use(above ? boundary : sessions)
              app.use(handler)
            },
            answer(ctx) {
              const own = ctx['session'] as Session
              own.count = (own.count ?? 0) + 1
              ctx.body = { count: own.count }
            },
          })
          assert.deepEqual(
            wires.map(({ body }) => String(body)),
            ['{"count":1}', '{"count":2}', '{"count":3}'],
          )
          // the session, and its signature
          assert.equal(wires[0].headers['set-cookie']?.length, 2)
        })
      }

      it(`ends a session ${above ? 'above' : 'below'} the boundary`, async () => {
        const [, ended] = await alike({
          Koa,
          asks: [again, again],
          build(app, { boundary, handler }) {
            const sessions = session({ ...inCookie }, app)
            app.use(above ? sessions : boundary)
            app.use(above ? boundary : sessions)
            app.use(handler)
          },
          answer(ctx) {
            const own = ctx['session'] as Session
            if (own.count === undefined) own.count = 1
            else ctx['session'] = null
            ctx.body = 'ok'
          },
        })
        assert.match(String(ended.headers['set-cookie']?.[0]), /^koa\.sess=;.* expires=Thu, 01 Jan 1970/)
      })
    }
  })

  for (const above of [false, true]) {
    it(`sets one cookie, with what every dispatch has put in, ${above ? 'above' : 'below'} the boundary`, async () => {
      const clients = new ContinuationManager()
      const app = new Koa({ keys: ['a key'] })
      const sessions = session({ ...inCookie }, app)
      app.use(above ? sessions : continuations())
      app.use(above ? continuations() : sessions)
      app.use((ctx) => {
        const own = ctx['session'] as Session
        own.seen = [...(own.seen ?? []), `dispatch ${(own.seen?.length ?? 0) + 1}`]
        if (own.seen.length === 3) {
          ctx.body = 'done'
          return
        }
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      const served = await serve(app)
      try {
        const answer = receive(served.get('/'))
        await until(() => clients.resume() === 1)
        await until(() => clients.resume() === 1)
        assert.deepEqual(cookie(await answer).seen, ['dispatch 1', 'dispatch 2', 'dispatch 3'])
      } finally {
        await served.close()
      }
    })
  }

  it('keeps what a first dispatch has put into a store', async () => {
    const sessions = new Map<string, Session>([['session-0', { count: 7 }]])
    const clients = new ContinuationManager()
    const app = new Koa()
    app.use(continuations())
    app.use(session({ ...inStore(sessions), signed: false }, app))
    app.use((ctx) => {
      const own = ctx['session'] as Session
      own.count = (own.count ?? 0) + 1
      if (!ctx.continuation.isInitial()) {
        ctx.body = 'done'
        return
      }
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    })
    const served = await serve(app)
    try {
      const answer = receive(served.get('/', { cookie: 'koa.sess=session-0' }))
      await until(() => clients.resume() === 1)
      assert.equal((await answer).headers['set-cookie']?.length, 1)
      assert.deepEqual(
        [...sessions].map(([key, { count }]) => [key, count]),
        [['session-0', 9]],
      )
    } finally {
      await served.close()
    }
  })
})
