import assert from 'node:assert/strict'
import { MessageChannel } from 'node:worker_threads'
import Koa from 'koa'
import { Channel, type ChannelOptions, continuations, type Log, MemoryLog, suspendable } from '../../src/index.js'
import { LogOwner, PortLog } from '../../src/log/port/index.js'
import { gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Answer, type Served, serve } from '../support/serve.js'

const json = ({ body }: Answer) =>
  JSON.parse(body) as { cursor: string; messages: { id: string; data: unknown }[]; gap?: true }
const data = (answer: Answer) => json(answer).messages.map((message) => message.data)

describe('a channel that is polled', () => {
  let served: Served
  let channel: Channel
  let clock: ManualClock
  afterEach(() => served.close())

  async function open(options: ChannelOptions = {}): Promise<void> {
    clock = new ManualClock()
    channel = new Channel('news', { jitter: 0, now: clock.now, ...options })
    const app = new Koa()
    app.use(continuations({ clock }))
    app.use((ctx, next) => (ctx.method === 'POST' ? channel.publisher()(ctx, next) : channel.subscriber()(ctx, next)))
    served = await serve(app)
  }

  const waiting = (count = 1) => until(() => channel.waiters.size === count)

  it('without a cursor it is followed from now: a plain poll gets 204 with the place', async () => {
    await open()
    await channel.publish('before')
    const answer = await served.get('/?wait=0')
    assert.deepEqual([answer.status, answer.body, answer.headers['cache-control']], [204, '', 'no-store'])
    const cursor = /^"(\w+-1)"$/.exec(answer.headers.etag ?? '')?.[1]
    assert.ok(cursor, answer.headers.etag)
    await channel.publish('after')
    assert.deepEqual(data(await served.get(`/?cursor=${cursor}`)), ['after'])
  })

  it('cursor=0 reads from the oldest kept, all that is there in one answer', async () => {
    await open()
    const ids = []
    for (const n of [1, 2, 3]) ids.push((await channel.publish({ n })).id)
    const answer = await served.get('/?cursor=0')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    const { cursor, messages, gap } = json(answer)
    assert.deepEqual(
      messages,
      ids.map((id, place) => ({ id, data: { n: place + 1 } })),
    )
    assert.deepEqual([cursor, gap, answer.headers.etag], [ids[2], undefined, `"${ids[2]}"`])
  })

  it('a handler that is made for each request reads and keeps nothing of its own', async () => {
    const log = new MemoryLog()
    let reads = 0
    const { read } = log
    log.read = (...asked) => {
      reads++
      return read.apply(log, asked)
    }
    await open({ log })
    await channel.publish(1)
    for (let times = 0; times < 3; times++) assert.deepEqual(data(await served.get('/?cursor=0')), [1])
    assert.equal(reads, 1)
  })

  it('a poll that finds nothing new is held until something is published', async () => {
    await open()
    const asking = served.get('/')
    await waiting()
    const receipt = await channel.publish({ hello: 'world' }, { event: 'greeting' })
    assert.equal(receipt.woken, 1)
    assert.deepEqual(json(await asking), {
      cursor: receipt.id,
      messages: [{ id: receipt.id, event: 'greeting', data: { hello: 'world' } }],
    })
    assert.equal(channel.size, 0)
  })

  it('what is published between two polls waits for the second', async () => {
    await open()
    const asking = served.get('/')
    await waiting()
    await channel.publish(1)
    const { cursor } = json(await asking)
    assert.deepEqual(await channel.publish(2), { id: cursor.replace(/1$/, '2'), woken: 0 })
    await channel.publish(3)
    assert.deepEqual(data(await served.get(`/?cursor=${cursor}`)), [2, 3])
  })

  it('takes the cursor by query, Last-Event-ID or If-None-Match, also where a proxy that compresses has changed it', async () => {
    await open()
    const { id } = await channel.publish(1)
    await channel.publish(2)
    const ways: [string, Record<string, string>][] = [
      [`/?cursor=${id}`, {}],
      ['/', { 'last-event-id': id }],
      ['/', { 'if-none-match': `"${id}"` }],
      ['/', { 'if-none-match': `W/"${id}", "another"` }],
      ['/', { 'if-none-match': `"${id}-gzip"` }],
      ['/', { 'if-none-match': id }],
      ['/', { 'if-none-match': `W/"${id}--br", "another"` }],
      [`/?cursor=${id}`, { 'if-none-match': '"another-1"' }],
    ]
    for (const [path, headers] of ways) assert.deepEqual(data(await served.get(path, headers)), [2], path)
    const refused = await served.get('/?wait=0', { 'if-none-match': `W/${id}` })
    assert.deepEqual([refused.status, JSON.parse(refused.body).error.code], [400, 'ERR_INVALID_CURSOR'])
  })

  it('204 when the time is up, with the cursor kept', async () => {
    await open({ hold: 10_000 })
    const { id } = await channel.publish(1)
    const asking = served.get(`/?cursor=${id}`)
    await waiting()
    clock.advance(9_999)
    assert.equal(channel.waiters.size, 1)
    clock.advance(1)
    const answer = await asking
    assert.deepEqual([answer.status, answer.headers.etag], [204, `"${id}"`])
  })

  it('the hold is less a random share of it', async () => {
    await open({ hold: 10_000, jitter: 0.2, random: () => 0.5 })
    const asking = served.get('/')
    await waiting()
    assert.equal(clock.next, 9_000)
    clock.advance(9_000)
    assert.equal((await asking).status, 204)
  })

  it('a client may ask for less: ?wait= and Prefer: wait=, which is told what came of it; more is cut', async () => {
    await open({ hold: 10_000 })
    const asks: [string, Record<string, string>, number, string | undefined][] = [
      ['/?wait=5', {}, 5_000, undefined],
      ['/?wait=0.5', {}, 500, undefined],
      ['/?wait=86400', {}, 10_000, undefined],
      ['/', { prefer: 'wait=5' }, 5_000, 'wait=5'],
      ['/', { prefer: 'respond-async, wait=5' }, 5_000, 'wait=5'],
      ['/', { prefer: 'wait=600' }, 10_000, 'wait=10'],
      ['/', { prefer: 'wait=soon' }, 10_000, undefined],
    ]
    for (const [path, headers, ms, applied] of asks) {
      const asking = served.get(path, headers)
      await waiting()
      assert.equal(clock.next, ms, JSON.stringify([path, headers]))
      clock.advance(ms)
      const answer = await asking
      assert.deepEqual([answer.status, answer.headers['preference-applied']], [204, applied])
    }
  })

  it('a gap is said, with the whole backlog: trimmed, of another epoch, or ahead of the log', async () => {
    await open({ backlog: { messages: 2 } })
    const { id } = await channel.publish(1)
    for (const n of [2, 3, 4]) await channel.publish(n)
    const epoch = id.split('-')[0]
    for (const cursor of [id, 'another-3', `${epoch}-9`]) {
      const answer = await served.get(`/?cursor=${cursor}`)
      assert.deepEqual([data(answer), json(answer).gap, json(answer).cursor], [[3, 4], true, `${epoch}-4`])
    }
    assert.equal(json(await served.get(`/?cursor=${epoch}-2`)).gap, undefined)
  })

  it('a broadcast is written out once: the same bytes go to all that wait for the same', async () => {
    await open()
    const bodies = new Set<unknown>()
    const app = new Koa()
    app.use(async (ctx, next) => {
      await next()
      bodies.add(ctx.body)
    })
    app.use(channel.subscriber() as Koa.Middleware)
    await served.close()
    served = await serve(app)
    const asking = Array.from({ length: 20 }, () => served.get('/'))
    await waiting(20)
    assert.equal((await channel.publish('x'.repeat(1_000))).woken, 20)
    assert.equal(new Set((await Promise.all(asking)).map(({ body }) => body)).size, 1)
    assert.equal(bodies.size, 1)
  })

  it('no publish falls between reading and waiting, however the log takes its time', async () => {
    for (const moment of ['before the reading', 'after the reading'] as const) {
      const reads: { open(): void }[] = []
      const memory = new MemoryLog()
      const slow: Log = Object.assign(Object.create(memory) as Log, {
        append: memory.append.bind(memory),
        tail: memory.tail.bind(memory),
        async read(...args: Parameters<Log['read']>) {
          const before = moment === 'after the reading' ? await memory.read(...args) : undefined
          const held = gate()
          reads.push(held)
          await held
          return before ?? (await memory.read(...args))
        },
      })
      await open({ log: slow })
      const { id } = await channel.publish(1)
      const asking = served.get(`/?cursor=${id}`)
      await until(() => reads.length === 1)
      await channel.publish(2)
      reads.shift()?.open()
      if (moment === 'after the reading') {
        await until(() => reads.length === 1)
        reads.shift()?.open()
      }
      assert.deepEqual(data(await asking), [2], moment)
      assert.equal(clock.timers, 0)
      await served.close()
    }
    await open()
  })

  it('a request that is woken counts for one message, whether the log rings before or after it has answered', async () => {
    const memory = new MemoryLog()
    const through = gate()
    let ring: () => void = () => {}
    const remote: Log = Object.assign(Object.create(memory) as Log, {
      read: memory.read.bind(memory),
      async append(...args: Parameters<Log['append']>) {
        const position = await memory.append(...args)
        await through
        return position
      },
      async tail(_channel: string, bell: () => void) {
        ring = bell
        return () => {}
      },
    })
    await open({ log: remote })
    const one = served.get('/')
    await waiting()
    const publishing = [1, 2, 3].map((n) => channel.publish(n))
    ring()
    await one
    through.open()
    const receipts = await Promise.all(publishing)
    assert.deepEqual(
      receipts.map(({ woken }) => woken),
      [1, 0, 0],
    )
    // of those that are woken for what others publish nobody is counted later
    const last = served.get('/')
    await waiting()
    await memory.append('news', { data: '4' }, { messages: 10, bytes: 1_000, age: 1_000 })
    ring()
    await last
    assert.equal((await channel.publish(5)).woken, 0)
  })

  it('of messages that are published at the same time over a port, each request that they wake counts once', async () => {
    const { port1, port2 } = new MessageChannel()
    const stop = new LogOwner(new MemoryLog()).serve(port1)
    const log = new PortLog(port2)
    await open({ log })
    const asking = [served.get('/'), served.get('/')]
    await waiting(2)
    const receipts = await Promise.all([1, 2, 3].map((n) => channel.publish(n)))
    assert.equal(
      receipts.reduce((sum, { woken }) => sum + woken, 0),
      2,
    )
    await Promise.all(asking)
    await log.close()
    stop()
    port1.close()
  })

  it('a ring for nothing wakes nobody for good: the poll goes on to its own end', async () => {
    let rings: (() => void)[] = []
    const memory = new MemoryLog()
    const nervous: Log = Object.assign(Object.create(memory) as Log, {
      append: memory.append.bind(memory),
      read: memory.read.bind(memory),
      async tail(channel: string, ring: () => void) {
        rings = [...rings, ring]
        return memory.tail(channel, ring)
      },
    })
    await open({ log: nervous, hold: 10_000 })
    const asking = served.get('/')
    await waiting()
    clock.advance(4_000)
    for (const ring of rings) ring()
    await until(() => clock.next === 6_000)
    await waiting()
    clock.advance(6_000)
    assert.equal((await asking).status, 204)
  })

  it('a client id given: the second poll of a client ends its first with 204', async () => {
    await open({ clientId: (ctx) => ctx.get('x-client') || undefined })
    const older = served.get('/', { 'x-client': 'ann' })
    await waiting()
    const other = served.get('/', { 'x-client': 'bob' })
    await waiting(2)
    const newer = served.get('/', { 'x-client': 'ann' })
    const answer = await older
    assert.equal(answer.status, 204)
    assert.match(answer.headers.etag ?? '', /^"\w+-0"$/)
    await waiting(2)
    await channel.publish(1)
    assert.deepEqual([data(await newer), data(await other)], [[1], [1]])
  })

  it('those without an id are strangers: none ends the poll of another', async () => {
    await open({ clientId: (ctx) => ctx.get('x-client') })
    const polls = [served.get('/'), served.get('/')]
    await waiting(2)
    await channel.publish(1)
    assert.deepEqual(
      (await Promise.all(polls)).map((answer) => data(answer)),
      [[1], [1]],
    )
  })

  it('a client that leaves is forgotten at once', async () => {
    await open()
    const asking = served.get('/')
    await waiting()
    asking.request.destroy()
    await until(() => channel.size === 0)
    assert.equal(channel.waiters.size, 0)
    assert.deepEqual((await channel.publish(1)).woken, 0)
  })

  it('close() sends everybody home with 204', async () => {
    await open()
    const asking = served.get('/')
    await waiting()
    await channel.close()
    assert.equal((await asking).status, 204)
  })

  it('whoever comes after a close() is woken by the log again', async () => {
    const log = new MemoryLog()
    await open({ log })
    await served.get('/?wait=0')
    await channel.close()
    const asking = served.get('/')
    await waiting()
    // what this channel publishes wakes by itself
    await new Channel('news', { log }).publish('from elsewhere')
    assert.deepEqual(data(await asking), ['from elsewhere'])
  })

  describe('where the log does not ring yet', () => {
    /** How many of its bells ring. */
    let rings: number
    let tails: number
    let ready: ReturnType<typeof gate<void>>
    beforeEach(async () => {
      rings = 0
      tails = 0
      ready = gate()
      const log = new MemoryLog()
      const { tail } = log
      log.tail = async (...asked) => {
        tails++
        await ready
        const stop = await tail.apply(log, asked)
        rings++
        return () => {
          rings--
          stop()
        }
      }
      await open({ log })
    })

    it('close() does not wait for that, and who has come meanwhile hears of what comes', async () => {
      const asking = served.get('/')
      await until(() => tails === 1)
      await channel.close()
      ready.open()
      await waiting()
      assert.deepEqual([tails, rings], [2, 1])
      await channel.publish(1)
      assert.deepEqual(data(await asking), [1])
      await channel.close()
      assert.equal(rings, 0)
    })

    it('and never does: close() does not fail, who waits for it is told so', async () => {
      const asking = served.get('/')
      await until(() => tails === 1)
      await channel.close()
      ready.open(Promise.reject(new Error('it is away')) as unknown as undefined)
      assert.equal((await asking).status, 500)
      assert.deepEqual(served.errors.map(String), ['Error: it is away'])
    })
  })

  it('beside a boundary that has returned already it has one of its own', async () => {
    channel = new Channel('news')
    const beside = suspendable(() => {})
    const app = new Koa()
    app.use(async (ctx, next) => {
      await beside(ctx, async () => {})
      await next()
    })
    app.use(channel.subscriber())
    served = await serve(app)
    const asking = served.get('/')
    await waiting()
    await channel.publish(1)
    assert.deepEqual(data(await asking), [1])
  })

  describe('authorize', () => {
    it('is asked when a request comes, and again when it is woken', async () => {
      const asked: string[] = []
      let may = true
      await open({
        authorize: async (ctx, name) => {
          asked.push(`${ctx.path} ${name}`)
          return may
        },
      })
      const asking = served.get('/')
      await waiting()
      assert.deepEqual(asked, ['/ news'])
      may = false
      await channel.publish('secret')
      const answer = await asking
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [403, 'ERR_FORBIDDEN'])
      assert.equal((await served.get('/?cursor=0')).status, 403)
    })

    it("what it throws goes through Koa's error handling", async () => {
      await open({
        authorize: (ctx) => {
          ctx.throw(401, 'who are you?')
        },
      })
      const answer = await served.get('/')
      assert.deepEqual([answer.status, answer.body], [401, 'who are you?'])
    })

    it('drop() sends a client away at once', async () => {
      await open()
      const [ann, bob] = [served.get('/?who=ann'), served.get('/?who=bob')]
      await waiting(2)
      assert.equal(
        channel.drop((ctx) => ctx.query['who'] === 'ann'),
        1,
      )
      const answer = await ann
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [403, 'ERR_FORBIDDEN'])
      await waiting(1)
      await channel.publish(1)
      assert.equal((await bob).status, 200)
    })

    it('drop() of what is no function, or answers with a promise: TypeError, and nobody is sent away', async () => {
      await open()
      assert.throws(() => channel.drop('ann' as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      const polling = served.get('/')
      await waiting(1)
      assert.throws(() => channel.drop((async () => false) as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      await channel.publish(1)
      assert.equal((await polling).status, 200)
    })

    it('drop() answers 403 to one that is woken already, and has its turn still to come', async () => {
      await open()
      const asking = served.get('/')
      await waiting()
      assert.equal((await channel.publish('secret')).woken, 1)
      assert.equal(channel.size, 1)
      assert.equal(
        channel.drop(() => true),
        1,
      )
      const answer = await asking
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [403, 'ERR_FORBIDDEN'])
      assert.deepEqual([channel.size, served.errors], [0, []])
    })

    it('drop() answers 403 to one that is being asked for after it was woken', async () => {
      const asked: { open(): void }[] = []
      await open({
        authorize: async () => {
          const held = gate()
          asked.push(held)
          await held
        },
      })
      const asking = served.get('/')
      await until(() => asked.length === 1)
      asked[0]?.open()
      await waiting()
      await channel.publish('secret')
      await until(() => asked.length === 2)
      assert.equal(
        channel.drop(() => true),
        1,
      )
      asked[1]?.open()
      const answer = await asking
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [403, 'ERR_FORBIDDEN'])
      assert.equal(channel.size, 0)
    })

    it('drop() answers 403 to one whose time is up, and to one that reads', async () => {
      let through = gate()
      through.open()
      const memory = new MemoryLog()
      const slow: Log = Object.assign(Object.create(memory) as Log, {
        append: memory.append.bind(memory),
        tail: memory.tail.bind(memory),
        async read(...args: Parameters<Log['read']>) {
          await through
          return memory.read(...args)
        },
      })
      await open({ log: slow, hold: 10_000 })
      const late = served.get('/')
      await waiting()
      clock.advance(10_000)
      channel.drop(() => true)
      assert.equal((await late).status, 403)
      through = gate()
      const reading = [
        served.get('/?cursor=another-1'),
        served.get('/?cursor=another-2', { accept: 'text/event-stream' }),
      ]
      await until(() => channel.size === 2)
      assert.equal(
        channel.drop(() => true),
        2,
      )
      through.open()
      for (const { status, body } of await Promise.all(reading)) {
        assert.deepEqual([status, JSON.parse(body).error.code], [403, 'ERR_FORBIDDEN'])
      }
    })
  })
})
