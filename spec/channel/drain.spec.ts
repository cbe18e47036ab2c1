import assert from 'node:assert/strict'
import Koa from 'koa'
import { Channel, continuations, Hub } from '../../src/index.js'
import { follow } from '../support/following.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'

const events = { accept: 'text/event-stream' }
const lines = { accept: 'application/x-ndjson' }
const now = { rate: Number.POSITIVE_INFINITY }

describe('a channel that is drained', () => {
  let served: Served
  afterEach(() => served.close())

  async function open(subscriber: Koa.Middleware): Promise<void> {
    served = await serve(new Koa().use(subscriber))
  }

  it('polls are answered 204 with their cursor, streams end and are told when to come back; connections close', async () => {
    const channel = new Channel('news', { random: () => 0.5 })
    await open(channel.subscriber())
    const asking = served.get('/')
    const stream = await follow(served.url, events)
    await until(() => channel.waiters.size === 2)

    const drained = await channel.drain(now)
    const { status, headers } = await asking
    assert.deepEqual([status, headers.connection], [204, 'close'])
    assert.match(String(headers.etag), /-0"$/)
    await until(() => stream.ended)
    assert.match(stream.text, /\nretry: 1500\n\n$/)
    assert.deepEqual(drained, { held: 2, failed: 0 })
    assert.equal(channel.size, 0)
    await channel.close()
  })

  it('afterwards publishing goes on, what is new is answered, and nobody waits', async () => {
    const channel = new Channel('news')
    await open(channel.subscriber())
    const { id } = await channel.publish('one')
    await channel.drain()
    await channel.publish('two')
    const poll = await served.get(`/?cursor=${id}`)
    assert.equal(poll.status, 200)
    const { cursor, messages } = JSON.parse(poll.body)
    assert.deepEqual([messages.length, messages[0].data], [1, 'two'])

    const nothing = await served.get(`/?cursor=${cursor}`)
    assert.equal(nothing.status, 503)
    assert.match(nothing.headers['retry-after'] ?? '', /^\d+$/)
    assert.equal((await served.get(`/?cursor=${cursor}&wait=0`)).status, 204)

    for (const headers of [events, lines]) {
      const refused = await served.get(`/?cursor=${cursor}`, headers)
      assert.equal(refused.status, 503)
      assert.match(refused.headers['retry-after'] ?? '', /^\d+$/)
    }
    assert.equal(channel.size, 0)

    const stream = await follow(`${served.url}/?cursor=${id}`, events)
    await until(() => stream.ended)
    assert.equal(stream.response.statusCode, 200)
    assert.match(stream.text, /data: "two"\n\nretry: \d+\n\n$/)
    await channel.close()
  })

  it('a hub: whoever follows any of its channels, each once, and those made later too', async () => {
    const hub = new Hub()
    for (const name of ['a', 'b']) hub.channel(name)
    await open(hub.subscriber((ctx) => String(ctx.query['names']).split(',')))
    const both = served.get('/?names=a,b')
    const one = served.get('/?names=b')
    await until(() => hub.get('b')?.waiters.size === 2)
    assert.deepEqual(await hub.drain(now), { held: 2, failed: 0 })
    assert.deepEqual([(await both).status, (await one).status], [204, 204])
    hub.channel('c')
    assert.equal((await served.get('/?names=c')).status, 503)
    await hub.close()
  })

  it('a stream whose client takes what is written slowly has all of it', async () => {
    const clock = new ManualClock()
    const channel = new Channel('news', { now: clock.now, backlog: { bytes: 100_000_000 } })
    await open(channel.subscriber())
    for (let part = 0; part < 40; part++) await channel.publish('x'.repeat(1_000_000))
    const stream = await follow(`${served.url}/?cursor=0`, events)
    stream.response.pause()
    await until(() => channel.size === 1)
    const draining = channel.drain(now)
    clock.advance(1)
    stream.response.resume()
    await until(() => stream.ended)
    assert.equal(stream.text.match(/\ndata: /g)?.length, 40)
    assert.match(stream.text, /\nretry: \d+\n\n$/)
    assert.deepEqual(await draining, { held: 1, failed: 0 })
    await channel.close()
  })

  it('a stream in the midst of a large message has all of it before it is told when to come back', async () => {
    const channel = new Channel('news', { backlog: { bytes: 100_000_000 } })
    const boundary = continuations()
    served = await serve(new Koa().use(boundary).use(channel.subscriber()))
    const text = 'x'.repeat(30_000_000)
    await channel.publish(text)
    const stream = await follow(`${served.url}/?cursor=0`, events)
    stream.response.pause()
    await until(() => boundary.size === 1)
    const draining = boundary.drain(now)
    await until(() => boundary.size === 0)
    stream.response.resume()
    await until(() => stream.ended)
    assert.ok(stream.text.includes(`\ndata: "${text}"\n\nretry: `))
    assert.equal((await draining).failed, 0)
    await channel.close()
  })
})
