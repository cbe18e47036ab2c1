import assert from 'node:assert/strict'
import type Router from '@koa/router'
import type Koa from 'koa'
import {
  Channel,
  type Continuation,
  type ContinuationManager,
  type ContinuationsOptions,
  PlainHold,
} from '../../src/index.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import type { Asking, Served } from '../support/serve.js'

type Own = Record<string, unknown> & { app: Koa; router: Router; clients: ContinuationManager }
type Shows = (name: string, look: (own: Own) => Promise<void> | void, add?: () => object) => void

/** What is shown of single calls. `whole` serves the app as the README puts it together. */
export function showCalls(shows: Shows, whole: (own: Own, options?: ContinuationsOptions) => Promise<Served>): void {
  /** Two are held under a key; each answers with the one attribute it was resumed with. */
  async function twoHeld(own: Own, key: string): Promise<{ served: Served; held: Asking[]; first: Continuation }> {
    const { router, clients } = own
    router.get('/held', (ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        continuation.suspend()
        clients.stash(continuation, key)
        return
      }
      const name = String(ctx.query['name'])
      ctx.body = { [name]: continuation.getAttribute(name) }
    })
    const served = await whole(own)
    const held = []
    for (const count of [1, 2]) {
      held.push(served.get('/held?name=message'))
      await until(() => clients.size === count)
    }
    return { served, held, first: clients.waiting(key)[0] as Continuation }
  }

  shows('src/core/continuation.ts, suspend #1', async (own) => {
    const { get } = await whole(own)
    const asking = get('/next')
    await until(() => own.clients.size === 1)
    own.clients.broadcast({ message: 'hello' })
    assert.equal((await asking).body, 'hello')
  })

  shows('src/core/continuation.ts, resume #1', async (own) => {
    const { served, held, first } = await twoHeld(own, 'approval')
    assert.equal((await served.post(`/approvals/${first.id}`)).status, 204)
    await held[0]
    assert.equal(first.getAttribute('approved'), true)
    assert.equal((await served.post(`/approvals/${first.id}`)).status, 410)
  })

  shows('src/core/continuation.ts, complete #1', async (own) => {
    const { served, held, first } = await twoHeld(own, 'answer')
    const answers = async () => (await served.post(`/answers/${first.id}`)).body
    assert.equal(await answers(), '{"isHeard":true}')
    assert.equal((await held[0])?.body, 'yes')
    assert.equal(await answers(), '{"isHeard":false}')
  })

  shows('src/core/continuation.ts, fail #1', async (own) => {
    const { served, held, first } = await twoHeld(own, 'job')
    const cancels = async () => (await served.ask('DELETE', `/jobs/${first.id}`)).body
    assert.equal(await cancels(), '{"isHeard":true}')
    const { status, body } = (await held[0]) ?? {}
    assert.deepEqual([status, body], [410, 'Somebody has cancelled this job'])
    assert.equal(await cancels(), '{"isHeard":false}')
  })

  const jobs = new Set(['a long one'])
  shows(
    'src/core/continuation.ts, setTimeout #1',
    async (own) => {
      const clock = new ManualClock()
      const { get } = await whole(own, { clock })
      let answered = false
      const asking = get('/patient').then(({ body }) => {
        answered = true
        return body
      })
      await until(() => clock.next === 5_000)
      clock.advance(5_000)
      await until(() => clock.next === 5_000)
      assert.equal(answered, false)
      jobs.clear()
      clock.advance(5_000)
      assert.equal(await asking, 'all done')
    },
    () => ({ jobs }),
  )

  shows('src/core/continuation.ts, setAttribute #1', async (own) => {
    const { get } = await whole(own)
    const asking = get('/twice')
    for (const count of [1, 2]) {
      await until(() => own.clients.size === 1 && [...own.clients][0]?.getAttribute('count') === count)
      own.clients.broadcast()
    }
    assert.equal((await asking).body, 'it was resumed twice')
  })

  shows('src/manager/manager.ts, resume #1', async (own) => {
    const { served, held, first } = await twoHeld(own, 'oak')
    assert.equal((await served.post('/tables/oak/cards')).body, '{"stillWaiting":1}')
    await held[0]
    assert.equal(first.getAttribute('yourTurn'), true)
  })

  shows('src/manager/manager.ts, broadcast #1', async (own) => {
    const { served, held } = await twoHeld(own, 'shop')
    assert.equal((await served.post('/closing')).body, '{"told":2}')
    for (const { body } of await Promise.all(held)) assert.equal(body, '{"message":"we close in five minutes"}')
  })

  shows('src/manager/manager.ts, complete #1', async (own) => {
    const { served, held } = await twoHeld(own, 'oslo')
    assert.equal((await served.ask('PUT', '/weather/oslo')).body, '{"told":2}')
    for (const { body } of await Promise.all(held)) assert.equal(body, 'sunny')
  })

  shows('src/manager/manager.ts, fail #1', async (own) => {
    const { served, held } = await twoHeld(own, 'attic')
    assert.equal((await served.ask('DELETE', '/rooms/attic')).body, '{"sentAway":2}')
    for (const { status, body } of await Promise.all(held)) {
      assert.deepEqual([status, body], [410, 'The room is closed'])
    }
  })

  shows('src/manager/manager.ts, get #1', async (own) => {
    const { served, first } = await twoHeld(own, 'any')
    const { body } = await served.get(`/waiting/${first.id}`)
    assert.deepEqual(JSON.parse(body), { since: new Date(first.since as number).toISOString() })
    assert.equal((await served.get('/waiting/none')).status, 404)
  })

  const withNews = () => ({ news: new Channel('news') })
  shows(
    'src/channel/channel.ts, publish #1',
    async (own) => {
      const { id, woken, news } = own as unknown as { id: string; woken: number; news: Channel }
      assert.match(id, /^\w+-1$/)
      assert.equal(woken, 0)
      const { messages } = await news.log.read('news', 'oldest')
      assert.deepEqual(
        messages.map(({ event, data }) => [event, data]),
        [['weather', '{"text":"it rains"}']],
      )
    },
    withNews,
  )

  shows(
    'src/channel/channel.ts, drop #1',
    async (own) => {
      const { router, news } = own as unknown as { router: Router; news: Channel }
      router.get('/news', news.subscriber())
      const served = await whole(own)
      const ann = { 'x-user': 'ann' }
      const [asking] = [served.get('/news', ann), served.get('/news', { 'x-user': 'bob' })]
      await until(() => news.waiters.size === 2)
      assert.equal((await served.post('/logout', {}, ann)).body, '{"sentAway":1}')
      assert.equal((await asking)?.status, 403)
      assert.equal(news.size, 1)
    },
    withNews,
  )

  shows('docs/channels.md, Channels #1', async (own) => {
    const served = await whole(own)
    const ann = { 'x-user': 'ann' }
    assert.equal((await served.get('/news')).status, 403)
    const asking = served.get('/news', ann)
    await until(() => (own['news'] as Channel).waiters.size === 1)
    assert.equal((await served.post('/news', { data: 1, event: 'one' })).status, 201)
    const { messages } = JSON.parse((await asking).body)
    assert.deepEqual([messages[0].event, messages[0].data], ['one', 1])
  })

  shows(
    'src/hold/plain-hold.ts, answer #1',
    async (own) => {
      const served = await whole(own)
      const asking = served.get('/jobs/7')
      await until(() => (own['jobs'] as PlainHold).waiting('7') === 1)
      assert.equal((await served.post('/jobs/7')).body, '{"told":1}')
      const { body, headers } = await asking
      assert.deepEqual([body, headers['content-type']], ['done', 'text/plain'])
    },
    () => ({ PlainHold }),
  )
}
