import assert from 'node:assert/strict'
import Router from '@koa/router'
import Koa from 'koa'
import { Channel, type ChannelOptions, Hub, type HubOptions, MemoryLog } from '../../src/index.js'
import { follow } from '../support/following.js'
import { turn, until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

describe('a hub of channels', () => {
  let served: Served
  let hub: Hub
  beforeEach(async () => {
    hub = new Hub({ perRequest: 3 })
    for (const name of ['lobby', 'kitchen', 'a, b: ž']) hub.channel(name)
    const router = new Router()
    router.get(
      '/',
      hub.subscriber((ctx) => (ctx.querystring === '' ? [] : new URLSearchParams(ctx.querystring).getAll('name'))),
    )
    router.post(
      '/:name',
      hub.publisher((ctx) => (ctx['params'] as { name: string }).name.split('+')),
    )
    served = await serve(new Koa().use(router.routes()))
  })
  afterEach(() => served.close())

  const waiting = (name: string, count = 1) => until(() => hub.get(name)?.waiters.size === count)

  it('gives the same channel for the same name', () => {
    assert.equal(hub.channel('lobby'), hub.get('lobby'))
    assert.equal(hub.size, 3)
    assert.equal(hub.get('nowhere'), undefined)
    assert.deepEqual(
      [...hub].map(({ name }) => name),
      ['lobby', 'kitchen', 'a, b: ž'],
    )
  })

  it('what was said in a channel is there when it is deleted and made again, a log given as undefined or not', async () => {
    for (const options of [{}, { log: undefined }]) {
      const own = new Hub(options)
      const { id } = await own.channel('lobby').publish('before')
      await own.delete('lobby')
      const { messages, next } = await own.channel('lobby').log.read('lobby', 'oldest')
      assert.deepEqual(
        messages.map(({ data }) => data),
        ['"before"'],
      )
      assert.equal(`${next.epoch}-${next.seq}`, id)
    }
  })

  it('a request follows many channels with one cursor, and misses nothing in any', async () => {
    const names = '?name=lobby&name=kitchen&name=a,%20b:%20%C5%BE'
    const asking = served.get(`/${names}`)
    await waiting('a, b: ž')
    const one = await hub.channel('kitchen').publish(1)
    assert.equal(one.woken, 1)
    const first = JSON.parse((await asking).body)
    assert.deepEqual(first.messages, [{ id: one.id, channel: 'kitchen', data: 1 }])
    await hub.channel('lobby').publish(2)
    await hub.channel('a, b: ž').publish(3)
    await hub.channel('kitchen').publish(4)
    const second = JSON.parse((await served.get(`/${names}&cursor=${encodeURIComponent(first.cursor)}`)).body)
    assert.deepEqual(
      second.messages.map(({ channel, data }: { channel: string; data: number }) => [channel, data]),
      [
        ['lobby', 2],
        ['kitchen', 4],
        ['a, b: ž', 3],
      ],
    )
    const third = await served.get(`/${names}&wait=0`, { 'if-none-match': `"${second.cursor}"` })
    assert.equal(third.status, 204)
    assert.equal(
      [...hub].every(({ waiters, size }) => waiters.size === 0 && size === 0),
      true,
    )
  })

  it('a channel that the cursor does not know is followed from now', async () => {
    await hub.channel('kitchen').publish('before')
    const { headers } = await served.get('/?name=lobby&wait=0')
    const cursor = encodeURIComponent(JSON.parse(headers.etag ?? ''))
    const both = await served.get(`/?name=lobby&name=kitchen&wait=0&cursor=${cursor}`)
    assert.equal(both.status, 204)
    await hub.channel('kitchen').publish('after')
    const next = encodeURIComponent(JSON.parse(both.headers.etag ?? ''))
    const { messages } = JSON.parse((await served.get(`/?name=lobby&name=kitchen&cursor=${next}`)).body)
    assert.deepEqual(
      messages.map(({ data }: { data: string }) => data),
      ['after'],
    )
  })

  it('streams tell the channel: around the data of an event, and in every line', async () => {
    const events = await follow(`${served.url}/?name=lobby&name=kitchen`, { accept: 'text/event-stream' })
    const lines = await follow(`${served.url}/?name=lobby&name=kitchen`, { accept: 'application/x-ndjson' })
    await waiting('kitchen', 2)
    const { id } = await hub.channel('kitchen').publish({ n: 1 }, { event: 'e' })
    await events.holds('data: ')
    await lines.holds('"n"')
    assert.match(
      events.text,
      /\nid: lobby:\w+-0,kitchen:\w+-1\nevent: e\ndata: {"channel":"kitchen","data":{"n":1}}\n\n$/,
    )
    const line = JSON.parse(lines.text.trim().split('\n').at(-1) as string)
    assert.deepEqual(
      { ...line, cursor: undefined },
      { id, event: 'e', channel: 'kitchen', cursor: undefined, data: { n: 1 } },
    )
    assert.match(line.cursor, /^lobby:\w+-0,kitchen:\w+-1$/)
    events.close()
    lines.close()
  })

  it('publishes to the channels that are named: 201 when somebody was woken, else 202, with the receipts', async () => {
    const none = await served.post('/lobby', { data: 1 })
    assert.equal(none.status, 202)
    const asking = served.get('/?name=kitchen')
    await waiting('kitchen')
    const some = await served.post('/lobby+kitchen', { data: 2, event: 'e' })
    assert.equal(some.status, 201)
    const receipts = JSON.parse(some.body)
    assert.deepEqual(
      receipts.map(({ channel, woken }: { channel: string; woken: number }) => [channel, woken]),
      [
        ['lobby', 0],
        ['kitchen', 1],
      ],
    )
    assert.equal(JSON.parse((await asking).body).messages[0].event, 'e')
  })

  it('delete() sends those who follow home; close() all of them', async () => {
    const asking = served.get('/?name=kitchen')
    await waiting('kitchen')
    assert.equal(await hub.delete('kitchen'), true)
    assert.equal(await hub.delete('kitchen'), false)
    assert.equal((await asking).status, 204)
    const other = served.get('/?name=lobby')
    await waiting('lobby')
    await hub.close()
    assert.equal((await other).status, 204)
    assert.equal(hub.size, 0)
  })

  describe('of many channels with long names', () => {
    const open = async (count: number, letter: string, length: number): Promise<Served> => {
      await served.close()
      const own = new Hub()
      const names = Array.from({ length: count }, (_, place) =>
        `${letter.repeat(length - 2)}${place + 10}`.slice(-length),
      )
      for (const name of names) own.channel(name)
      served = await serve(new Koa().use(own.subscriber(() => names)))
      return served
    }

    for (const [count, letter, length] of [
      [90, 'a', 100],
      [90, 'ж', 10],
      [8, 'ж', 120],
    ] as const) {
      it(`${count} of ${length} letters, such as ${letter}: the cursor can be brought back in every way`, async () => {
        await open(count, letter, length)
        const { status, headers } = await served.get('/?wait=0')
        assert.equal(status, 204)
        const cursor = JSON.parse(headers.etag ?? '') as string
        for (const [path, carried] of [
          [`/?wait=0&${new URLSearchParams({ cursor })}`, {}],
          ['/?wait=0', { 'last-event-id': cursor }],
          ['/?wait=0', { 'if-none-match': `"${cursor}"` }],
        ] as const) {
          const again = await served.get(path, { ...carried, cookie: 'x'.repeat(2_000) })
          assert.deepEqual([again.status, again.headers.etag], [204, headers.etag])
        }
      })
    }

    for (const [count, letter, length] of [
      [90, 'a', 130],
      [90, 'ж', 20],
      [8, 'ж', 170],
    ] as const) {
      it(`${count} of ${length} letters, such as ${letter}: 400 ERR_CURSOR_TOO_LONG, in whichever way`, async () => {
        await open(count, letter, length)
        for (const accept of ['application/json', 'text/event-stream', 'application/x-ndjson']) {
          const { status, body, headers } = await served.get('/', { accept })
          assert.deepEqual([status, JSON.parse(body).error.code], [400, 'ERR_CURSOR_TOO_LONG'])
          assert.equal(headers.etag, undefined)
        }
        assert.deepEqual(served.errors, [])
      })
    }
  })

  const refused: Record<string, [path: string, status: number, code: string]> = {
    'an unknown channel': ['/?name=nowhere', 404, 'ERR_UNKNOWN_CHANNEL'],
    'too many channels': ['/?name=a&name=b&name=c&name=d', 400, 'ERR_TOO_MANY_CHANNELS'],
    'no channel': ['/', 400, 'ERR_NO_CHANNEL'],
    'a cursor without names': ['/?name=lobby&cursor=abc-1', 400, 'ERR_INVALID_CURSOR'],
    'a cursor with a broken name': ['/?name=lobby&cursor=%25zz:abc-1', 400, 'ERR_INVALID_CURSOR'],
  }
  for (const [what, [path, status, code]] of Object.entries(refused)) {
    it(`${what}: ${status} ${code}`, async () => {
      const answer = await served.get(path)
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [status, code])
      assert.deepEqual(served.errors, [])
    })
  }

  for (const [said, status, message] of [
    [undefined, 400, 'Which channel?'],
    [5, 400, 'Which channel?'],
    [{}, 400, 'Which channel?'],
    [{ length: 2 ** 53 - 1 }, 400, 'Which channel?'],
    [{ length: 1, 0: '5' }, 400, 'Which channel?'],
    [[5], 404, 'There is no channel 5: a name is a string'],
  ] as const) {
    it(`names that are ${JSON.stringify(said)}, as a client may write them: ${status}`, async () => {
      const named = new Hub()
      named.channel('5')
      const names = () => said as never
      const apps = [named.subscriber(names), named.publisher(names)].map((middleware) =>
        serve(new Koa().use(middleware)),
      )
      for (const opened of apps) {
        const served = await opened
        const answer = await served.post('/', { data: 1 })
        await served.close()
        assert.deepEqual([answer.status, JSON.parse(answer.body).error.message], [status, message])
        assert.deepEqual(served.errors, [])
      }
    })
  }
})

describe('bad input to a channel', () => {
  let served: Served
  let channel: Channel
  beforeEach(async () => {
    channel = new Channel('news', { backlog: { bytes: 1_000 } })
    const router = new Router()
    router.get('/', channel.subscriber())
    router.post('/', channel.publisher())
    served = await serve(new Koa().use(router.routes()))
  })
  afterEach(() => served.close())

  for (const path of [
    'cursor=abc',
    'cursor=abc-',
    'cursor=-1',
    'cursor=a-1e5',
    'cursor=a-1-2',
    'cursor=a:b-1',
    `cursor=${'x'.repeat(9_000)}-1`,
  ]) {
    it(`a malformed cursor, ${path.slice(0, 30)}: 400 ERR_INVALID_CURSOR`, async () => {
      const answer = await served.get(`/?${path}`)
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [400, 'ERR_INVALID_CURSOR'])
    })
  }

  for (const wait of ['-1', 'soon', '1e3', '', '99999999999', 'Infinity', 'NaN', '0x10']) {
    it(`wait=${wait}: 400 ERR_INVALID_WAIT`, async () => {
      const answer = await served.get(`/?wait=${wait}`)
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [400, 'ERR_INVALID_WAIT'])
    })
  }

  const bodies: Record<string, [body: string, status: number, code: string]> = {
    'no JSON': ['{', 400, 'ERR_INVALID_MESSAGE'],
    'no object': ['[1]', 400, 'ERR_INVALID_MESSAGE'],
    'no data': ['{"message":1}', 400, 'ERR_INVALID_MESSAGE'],
    nothing: ['', 400, 'ERR_INVALID_MESSAGE'],
    'an event of two lines': ['{"data":1,"event":"a\\nb"}', 400, 'ERR_INVALID_EVENT'],
    'an event named gap': ['{"data":1,"event":"gap"}', 400, 'ERR_INVALID_EVENT'],
    'an event that ends within a character': ['{"data":1,"event":"a\\ud800"}', 400, 'ERR_INVALID_EVENT'],
    'an event that is a number': ['{"data":1,"event":5}', 400, 'ERR_INVALID_EVENT'],
    'a message larger than the backlog': [`{"data":"${'x'.repeat(1_000)}"}`, 413, 'ERR_MESSAGE_TOO_LARGE'],
    'a body larger than any message': [`{"data":"${'x'.repeat(100_000)}"}`, 413, 'ERR_MESSAGE_TOO_LARGE'],
  }
  for (const [what, [body, status, code]] of Object.entries(bodies)) {
    it(`publishing ${what}: ${status} ${code}`, async () => {
      const answer = await served.post('/', body)
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [status, code])
      assert.equal((await channel.log.read('news', 'oldest')).messages.length, 0)
    })
  }

  it('what is posted may be escaped throughout, as clients do that write ASCII only', async () => {
    const data = 'Ж'.repeat(490)
    const escaped = (text: string) =>
      text.replace(/./gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    assert.equal((await served.post('/', `{"data":"${escaped(data)}"}`)).status, 202)
    assert.equal((await served.post('/', `{"data":"${escaped('x'.repeat(990))}"}`)).status, 202)
    const { messages } = await channel.log.read('news', 'oldest')
    assert.equal(messages.at(-1)?.data, JSON.stringify('x'.repeat(990)))
    const long = await served.post('/', `{"data":"${escaped('Ж'.repeat(1_000))}"}`)
    assert.deepEqual([long.status, JSON.parse(long.body).error.code], [413, 'ERR_MESSAGE_TOO_LARGE'])
  })

  it('publish() of what JSON cannot hold, or of what is too large: rejects with a code', async () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    for (const data of [undefined, () => {}, Symbol('s'), 1n, circular, Promise.resolve(1), new Blob(['x'])]) {
      await assert.rejects(channel.publish(data), { code: 'ERR_UNSERIALISABLE' })
    }
    for (const thrown of [undefined, null, 'no', 5, new Error('no')]) {
      const data = {
        toJSON() {
          throw thrown
        },
      }
      await assert.rejects(channel.publish(data), { code: 'ERR_UNSERIALISABLE', cause: thrown })
    }
    await assert.rejects(channel.publish('x'.repeat(1_000)), { code: 'ERR_MESSAGE_TOO_LARGE', status: 413 })
    for (const event of ['', '\ud800', '\udc00 a', 'a\udc00']) {
      await assert.rejects(channel.publish(1, { event }), { code: 'ERR_INVALID_EVENT' })
    }
    assert.equal((await channel.publish(1, { event: 'žluť 🥊' })).woken, 0)
    for (const options of ['sale', null, { type: 'sale' }, 5]) {
      await assert.rejects(channel.publish(1, options as object), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
    }
    assert.deepEqual((await channel.publish(null)).woken, 0)
  })

  it('options of channels and hubs: TypeError or RangeError with ERR_INVALID_OPTION', () => {
    const wrong: [ErrorConstructor, object][] = [
      [TypeError, { backlog: 5 }],
      [TypeError, { backlog: { count: 5 } }],
      [RangeError, { backlog: { messages: 0 } }],
      [TypeError, { backlog: { bytes: '1MB' } }],
      [RangeError, { hold: -1 }],
      [TypeError, { hold: Number.NaN }],
      [RangeError, { jitter: 2 }],
      [TypeError, { log: {} }],
      [TypeError, { authorize: true }],
      [RangeError, { stream: { heartbeat: 0 } }],
      [TypeError, { holds: 5 }],
    ]
    for (const [Kind, options] of wrong) {
      for (const make of [() => new Channel('a', options as ChannelOptions), () => new Hub(options as HubOptions)]) {
        assert.throws(
          make,
          (error) => error instanceof Kind && (error as { code?: string }).code === 'ERR_INVALID_OPTION',
          JSON.stringify(options),
        )
      }
    }
    const none = (error: unknown) =>
      error instanceof RangeError && (error as { code?: string }).code === 'ERR_INVALID_OPTION'
    assert.throws(() => new Hub({ perRequest: 0 }), none)
    for (const options of [null, 5, 'lobby', [], () => {}]) {
      assert.throws(() => new Hub(options as HubOptions), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
    }
    const hub = new Hub()
    for (const names of ['lobby', ['lobby'], undefined]) {
      assert.throws(() => hub.subscriber(names as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => hub.publisher(names as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
    }
    for (const name of ['', 5, undefined, 'a\ud83d', '\udc00a'])
      assert.throws(() => new Channel(name as string), { code: 'ERR_INVALID_OPTION' })
  })
})

describe('a channel of a hub that is deleted while somebody is asked who may follow it', () => {
  class CountingLog extends MemoryLog {
    tails = 0
    override async tail(channel: string, grown: () => void): Promise<() => void> {
      const stop = await super.tail(channel, grown)
      this.tails++
      return () => {
        this.tails--
        stop()
      }
    }
  }

  /** Who is asked first has its answer by `allow`; who is asked later may at once. */
  function gate() {
    const asked: (() => void)[] = []
    const authorize = () => asked.length > 0 || new Promise<boolean>((resolve) => asked.push(() => resolve(true)))
    return { authorize, isAsked: () => asked.length === 1, allow: () => asked[0]?.() }
  }

  for (const accept of ['application/json', 'text/event-stream']) {
    for (const [what, again] of [
      ['', () => {}],
      [' and made again', (hub: Hub) => hub.channel('news')],
    ] as const) {
      it(`${accept}: sent home as those who wait are, from a channel that is gone${what}`, async () => {
        const log = new CountingLog()
        const { authorize, isAsked, allow } = gate()
        const hub = new Hub({ log, authorize })
        const gone = hub.channel('news')
        const { id } = await gone.publish(1)
        const served = await serve(new Koa().use(hub.subscriber(() => 'news')))
        try {
          const asking = served.get(`/?cursor=news:${id}`, { accept })
          await until(isAsked)
          await hub.delete('news')
          again(hub)
          allow()
          const { status, headers, body } = await asking
          const isStream = accept === 'text/event-stream'
          assert.deepEqual([status, gone.size, gone.waiters.size, log.tails], [isStream ? 200 : 204, 0, 0, 0])
          if (isStream) assert.match(body, new RegExp(`^(?!.*data)[^]*id: news:${id}`))
          else assert.equal(headers.etag, `"news:${id}"`)
        } finally {
          await served.close()
          await hub.close()
        }
      })
    }
  }

  it('sent home also where the channel itself is followed by others, who stay', async () => {
    const { authorize, isAsked, allow } = gate()
    const hub = new Hub({ authorize })
    const gone = hub.channel('news')
    const [own, ofHub] = [gone.subscriber(), hub.subscriber(() => 'news')]
    const served = await serve(new Koa().use((ctx, next) => (ctx.path === '/own' ? own : ofHub)(ctx, next)))
    try {
      const asking = served.get('/')
      await until(isAsked)
      await hub.delete('news')
      const staying = served.get('/own')
      await until(() => gone.waiters.size === 1)
      allow()
      assert.equal((await asking).status, 204)
      await gone.publish(1)
      assert.equal((await staying).status, 200)
    } finally {
      await served.close()
      await gone.close()
    }
  })

  it('what is new is told before', async () => {
    const { authorize, isAsked, allow } = gate()
    const hub = new Hub({ authorize })
    const { id } = await hub.channel('news').publish(1)
    await hub.channel('news').publish(2)
    const served = await serve(new Koa().use(hub.subscriber(() => 'news')))
    try {
      const asking = served.get(`/?cursor=news:${id}`)
      await until(isAsked)
      await hub.delete('news')
      allow()
      const { status, body } = await asking
      assert.equal(status, 200)
      assert.match(body, /"data":2/)
    } finally {
      await served.close()
      await hub.close()
    }
  })
})

describe('a channel that was closed, whose log grows elsewhere', () => {
  let served: Served
  let channel: Channel
  let elsewhere: Channel
  let hub: Hub
  beforeEach(async () => {
    const log = new MemoryLog()
    const backlog = { messages: 10_000, bytes: 1_000_000_000 }
    channel = new Channel('news', { log, backlog })
    elsewhere = new Channel('news', { log, backlog })
    hub = new Hub({ log, backlog })
    hub.channel('news')
    const app = new Koa()
    const [one, several] = [channel.subscriber(), hub.subscriber(() => 'news')]
    app.use((ctx, next) => (ctx.path === '/hub' ? several : one)(ctx, next))
    served = await serve(app)
  })
  afterEach(async () => {
    await served.close()
    await Promise.all([channel.close(), hub.close()])
  })

  it('who comes back finds what came meanwhile', async () => {
    const { id } = await elsewhere.publish(1)
    const asking = served.get(`/?cursor=${id}`)
    await until(() => channel.waiters.size === 1)
    await channel.close()
    assert.equal((await asking).status, 204)
    await elsewhere.publish(2)
    assert.match((await served.get(`/?cursor=${id}&wait=0`)).body, /"data":2/)
  })

  it('of a hub: who comes back when it is there again finds what came meanwhile', async () => {
    const { id } = await elsewhere.publish(1)
    const asking = served.get(`/hub?cursor=news:${id}`)
    await until(() => hub.get('news')?.waiters.size === 1)
    await hub.delete('news')
    assert.equal((await asking).status, 204)
    await elsewhere.publish(2)
    hub.channel('news')
    assert.match((await served.get(`/hub?cursor=news:${id}&wait=0`)).body, /"data":2/)
  })

  it('a stream that was just being written to does not wait for what it would not hear of, and ends', async () => {
    const stream = await follow(served.url, { accept: 'text/event-stream' })
    stream.response.pause()
    await until(() => channel.waiters.size === 1)
    while (channel.waiters.size === 1) {
      await elsewhere.publish('x'.repeat(60_000))
      for (let turns = 0; turns < 5; turns++) await turn()
    }
    await channel.close()
    const { id } = await elsewhere.publish('the last')
    stream.response.resume()
    await stream.holds(`id: ${id}\ndata: "the last"\n\n`)
    await until(() => stream.ended)
    assert.deepEqual([stream.response.complete, channel.size], [true, 0])
  })
})
