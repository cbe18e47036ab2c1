import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import Koa from 'koa'
import { type ConnectionError, type ConnectOptions, connect, type Message } from '../../src/client/index.js'
import { Channel, continuations, Hub, MemoryLog } from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'

describe('the client and a channel', () => {
  let served: Served
  let manual: ManualClock
  afterEach(async () => {
    await until(() => manual.timers === 0)
    await served.close()
  })

  const open = async (...handlers: Koa.Middleware[]): Promise<Set<Socket>> => {
    manual = new ManualClock()
    const app = new Koa()
    for (const handler of handlers) app.use(handler)
    served = await serve(app)
    const sockets = new Set<Socket>()
    served.server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    return sockets
  }
  const follow = (options: ConnectOptions) => {
    const clock = {
      now: manual.now,
      setTimeout: (callback: () => void, ms: number) => manual.setTimeout(callback, ms, undefined),
      clearTimeout: manual.clearTimeout,
    }
    const connection = connect<number>(served.url, { clock, ...options })
    const messages: Message<number>[] = []
    const gaps: unknown[] = []
    connection.addEventListener('message', ({ detail }) => messages.push(detail))
    connection.addEventListener('gap', ({ detail }) => gaps.push(detail))
    return { connection, messages, gaps }
  }

  for (const transport of ['poll', 'sse'] as const) {
    it(`from now, and from the oldest kept: ${transport}`, async () => {
      const channel = new Channel('news')
      await open(channel.subscriber())
      await channel.publish(1)
      const fresh = follow({ transport })
      const oldest = follow({ transport, cursor: '0' })
      await until(() => channel.waiters.size === 2)
      await channel.publish(2, { event: 'chat' })
      await until(() => oldest.messages.length === 2 && fresh.messages.length === 1)
      assert.deepEqual(
        oldest.messages.map(({ event, data }) => [event, data]),
        [
          [undefined, 1],
          ['chat', 2],
        ],
      )
      assert.equal(oldest.messages[1]?.id, fresh.messages[0]?.id)
      assert.equal(oldest.connection.cursor, fresh.connection.cursor)
      fresh.connection.close()
      oldest.connection.close()
    })

    it(`connections that are cut all the time: each message once, in order: ${transport}`, async () => {
      const channel = new Channel('news')
      const sockets = await open(channel.subscriber())
      const { connection, messages, gaps } = follow({ transport })
      await until(() => connection.cursor !== undefined)
      let published = 0
      for (let turns = 0; messages.length < 200; turns++) {
        if (published < 200 && turns % 3 === 0) await channel.publish(++published)
        if (turns % 7 === 0 && turns < 3_000) for (const socket of sockets) socket.destroy()
        manual.advance(100)
        await turn()
        assert.ok(turns < 50_000)
      }
      assert.deepEqual(
        messages.map(({ data }) => data),
        Array.from({ length: 200 }, (_, place) => place + 1),
      )
      assert.deepEqual(gaps, [])
      connection.close()
    })

    it(`the server starts anew with an empty log: told as a gap: ${transport}`, async () => {
      let channel = new Channel('news')
      await open((ctx, next) => channel.subscriber()(ctx, next))
      const { connection, messages, gaps } = follow({ transport })
      await until(() => channel.waiters.size === 1)
      await channel.publish(1)
      await until(() => messages.length === 1 && channel.waiters.size === 1)
      channel = new Channel('news', { log: new MemoryLog() })
      await channel.publish(2)
      served.server.closeAllConnections()
      await until(() => connection.state === 'waiting')
      manual.advance(1_000)
      await until(() => messages.length === 2)
      assert.deepEqual(gaps.length, 1)
      assert.deepEqual([messages[1]?.data, messages[1]?.gap], [2, true])
      connection.close()
    })
  }

  for (const transport of ['poll', 'sse'] as const) {
    it(`a hub: the messages say their channel, also after a cut and from the oldest kept: ${transport}`, async () => {
      const hub = new Hub()
      const [a, b] = [hub.channel('a'), hub.channel('b')]
      const sockets = await open(hub.subscriber(() => ['a', 'b']))
      const waiting = () => until(() => a.waiters.size === 1 && b.waiters.size === 1)
      const ids: string[] = []
      const { connection, messages, gaps } = follow({ transport })
      await waiting()
      ids.push((await a.publish(1)).id)
      await until(() => messages.length === 1)
      await waiting()
      ids.push((await b.publish(2, { event: 'chat' })).id)
      await until(() => messages.length === 2)
      await waiting()
      for (const socket of sockets) socket.destroy()
      await until(() => a.waiters.size === 0 && connection.state === 'waiting')
      ids.push((await a.publish(3)).id)
      manual.advance(1_000)
      await until(() => messages.length === 3)
      assert.deepEqual(
        messages.map(({ id }) => id),
        ids,
      )
      const shown = (all: Message<number>[]) => all.map(({ channel, event, data }) => [channel, event, data])
      const all = [
        ['a', undefined, 1],
        ['b', 'chat', 2],
        ['a', undefined, 3],
      ]
      assert.deepEqual([shown(messages), gaps], [all, []])
      connection.close()

      const late = follow({ transport, cursor: '0' })
      await until(() => late.messages.length === 3)
      assert.deepEqual(shown(late.messages).sort(), all.sort())
      assert.deepEqual(late.messages.map(({ id }) => id).sort(), ids.sort())
      late.connection.close()
      await until(() => a.waiters.size === 0)
      await hub.close()
    })

    it(`a channel that is drained: the client goes on where the next one is, with nothing lost: ${transport}`, async () => {
      const log = new MemoryLog()
      let channel = new Channel('news', { log })
      await open((ctx, next) => channel.subscriber()(ctx, next))
      const { connection, messages, gaps } = follow({ transport })
      await until(() => channel.waiters.size === 1)
      await channel.publish(1)
      await until(() => messages.length === 1 && channel.waiters.size === 1)
      const old = channel
      await old.drain({ rate: Number.POSITIVE_INFINITY })
      channel = new Channel('news', { log })
      await channel.publish(2)
      while (messages.length < 2) {
        manual.advance(1_000)
        await turn()
      }
      assert.deepEqual([messages.map(({ data }) => data), gaps], [[1, 2], []])
      connection.close()
      await old.close()
    })
  }

  for (const transport of ['poll', 'sse'] as const) {
    it(`a server that holds nobody more: the client comes when it is told to: ${transport}`, async () => {
      const channel = new Channel('news')
      await open(continuations({ limits: { total: 1 } }), channel.subscriber())
      const first = follow({ transport })
      await until(() => channel.waiters.size === 1)
      const { connection, messages } = follow({ transport })
      const { detail } = await new Promise<CustomEvent<ConnectionError>>((resolve) =>
        connection.addEventListener('error', resolve),
      )
      const { retryAfter = 0 } = detail
      assert.deepEqual([detail.status, detail.final, connection.state], [503, false, 'waiting'])
      assert.ok(retryAfter >= 1_000 && retryAfter <= 10_000, `${retryAfter}`)
      first.connection.close()
      await until(() => channel.size === 0)
      manual.advance(retryAfter - 1)
      for (let turns = 0; turns < 5; turns++) await turn()
      assert.equal(channel.size, 0)
      manual.advance(1)
      await until(() => channel.waiters.size === 1)
      await channel.publish(1)
      await until(() => messages.length === 1)
      connection.close()
    })
  }

  it('a cursor that is none, and a channel that may not be followed, are final', async () => {
    const channel = new Channel('news', { authorize: (ctx) => ctx.query['token'] === undefined })
    await open(channel.subscriber())
    const { connection } = follow({ cursor: '?' })
    await assert.rejects(async () => {
      for await (const _ of connection) assert.fail('nothing can come')
    }, /ERR_INVALID_CURSOR|no cursor/)
    const forbidden = connect(`${served.url}/?token=1`)
    await assert.rejects(forbidden[Symbol.asyncIterator]().next(), { code: 'ERR_FORBIDDEN', status: 403, final: true })
  })
})
