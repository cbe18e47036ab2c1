import assert from 'node:assert/strict'
import { request } from 'node:http'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import Koa from 'koa'
import compress from 'koa-compress'
import {
  Channel,
  type ChannelOptions,
  type ContinuationsOptions,
  continuations,
  type Log,
  MemoryLog,
} from '../../src/index.js'
import { type Following, follow } from '../support/following.js'
import { gate, turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

const events = { accept: 'text/event-stream' }
const lines = { accept: 'application/x-ndjson' }

describe('a channel that is streamed', () => {
  let app: Koa
  let served: Served
  let channel: Channel
  let clock: ManualClock
  afterEach(() => served.close())

  async function open(
    options: ChannelOptions = {},
    prepare: (app: Koa) => void = () => {},
    boundary: ContinuationsOptions = {},
  ): Promise<void> {
    clock = new ManualClock()
    channel = new Channel('news', { now: clock.now, ...options })
    app = new Koa()
    prepare(app)
    app.use(continuations({ clock, ...boundary }))
    app.use(channel.subscriber())
    served = await serve(app)
  }

  const waiting = (count = 1) => until(() => channel.waiters.size === count)

  it('server-sent events: the place first, then each message with its cursor, event and data', async () => {
    await open()
    const stream = await follow(served.url, events)
    const { headers } = stream.response
    assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.equal(headers['cache-control'], 'no-store, no-transform')
    assert.equal(headers['x-accel-buffering'], 'no')
    await stream.holds('\n\n')
    await waiting()
    assert.match(stream.text, /^id: \w+-0\n\n$/)
    const { id, woken } = await channel.publish({ text: 'two\nlines' }, { event: 'chat' })
    assert.equal(woken, 1)
    await channel.publish(2)
    await stream.holds('data: 2\n\n')
    assert.ok(
      stream.text.endsWith(
        `id: ${id}\nevent: chat\ndata: {"text":"two\\nlines"}\n\nid: ${id.replace(/1$/, '2')}\ndata: 2\n\n`,
      ),
    )
    stream.close()
    await until(() => channel.size === 0)
  })

  it('NDJSON: the place first, then a message a line', async () => {
    await open()
    const stream = await follow(served.url, lines)
    assert.equal(stream.response.headers['content-type'], 'application/x-ndjson; charset=utf-8')
    await waiting()
    const one = await channel.publish({ n: 1 }, { event: 'chat' })
    const two = await channel.publish({ n: 2 })
    await stream.holds('"n":2')
    const [start, ...messages] = stream.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.match(start.cursor, /^\w+-0$/)
    assert.deepEqual(messages, [
      { id: one.id, event: 'chat', data: { n: 1 } },
      { id: two.id, data: { n: 2 } },
    ])
    stream.close()
  })

  it('goes on from a cursor, by query or Last-Event-ID, with what came in between', async () => {
    await open()
    const { id } = await channel.publish(1)
    await channel.publish(2)
    for (const [path, headers] of [
      [`/?cursor=${id}`, events],
      ['/', { ...events, 'last-event-id': id }],
    ] as const) {
      const stream = await follow(served.url + path, headers)
      await stream.holds('data: 2\n\n')
      assert.ok(!stream.text.includes('data: 1'))
      stream.close()
    }
  })

  it('Last-Event-ID goes before the query, which an EventSource repeats whenever it comes back', async () => {
    await open()
    const { id } = await channel.publish(1)
    await channel.publish(2)
    for (const query of ['?cursor=0', '?cursor=another-7']) {
      const stream = await follow(`${served.url}/${query}`, { ...events, 'last-event-id': id })
      await stream.holds('data: 2\n\n')
      assert.ok(!stream.text.includes('data: 1') && !stream.text.includes('gap'), stream.text)
      stream.close()
    }
    const first = await follow(`${served.url}/?cursor=0`, { ...events, 'last-event-id': '' })
    await first.holds('data: 1\n\n')
    first.close()
  })

  it('data in several lines, as somebody else may append it to the log, is sent in one', async () => {
    await open()
    const data = { a: 'two\nlines', b: [1, 2] }
    const backlog = { messages: 10, bytes: 10_000, age: 10_000 }
    await channel.log.append('news', { data: JSON.stringify(data, null, 2) }, backlog)
    await channel.log.append('news', { data: JSON.stringify(data, null, 2).replaceAll('\n', '\r\n') }, backlog)
    await channel.log.append('news', { data: '[\r1\r]' }, backlog)
    const stream = await follow(`${served.url}/?cursor=0`, events)
    const ndjson = await follow(`${served.url}/?cursor=0`, lines)
    await waiting(2)
    await stream.holds('1 ]\n\n')
    await ndjson.holds('1 ]}\n')
    const sent = [...stream.text.matchAll(/^id: \S+\ndata: (.+)\n\n/gm)].map(([, text]) => JSON.parse(text as string))
    assert.deepEqual(sent, [data, data, [1]])
    const [, ...messages] = ndjson.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      messages.map((message) => message.data),
      [data, data, [1]],
    )
    stream.close()
    ndjson.close()
  })

  it('a gap is an event of its own, and its id still finds the first message after it', async () => {
    await open({ backlog: { messages: 2 } })
    const { id } = await channel.publish(1)
    for (const n of [2, 3, 4]) await channel.publish(n)
    const epoch = id.split('-')[0]
    const stream = await follow(`${served.url}/?cursor=${id}`, events)
    await stream.holds('data: 4\n\n')
    assert.equal(
      stream.text,
      `id: ${epoch}-2\nevent: gap\ndata: {"gap":true}\n\nid: ${epoch}-3\ndata: 3\n\nid: ${epoch}-4\ndata: 4\n\n`,
    )
    stream.close()
    const again = await follow(`${served.url}/?cursor=${id}`, lines)
    await again.holds('"data":4')
    assert.deepEqual(JSON.parse(again.text.split('\n')[0] as string), { gap: true, cursor: `${epoch}-2` })
    again.close()
  })

  it('over a limit a stream is refused by its status, and when it may come again; what is new it gets all the same', async () => {
    await open({}, undefined, { limits: { total: 1 } })
    const one = await follow(served.url, events)
    await waiting()
    for (const headers of [events, lines]) {
      const answer = await served.get('/', headers)
      assert.equal(answer.status, 503)
      assert.match(answer.headers['retry-after'] ?? '', /^\d+$/)
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
      assert.deepEqual([channel.size, channel.waiters.size], [1, 1])
    }
    await channel.publish(1)
    const news = await served.get('/?cursor=0', events)
    assert.equal(news.status, 200)
    assert.match(news.body, /data: 1\n\n$/)
    await one.holds('data: 1\n\n')
    one.close()
    await waiting(0)
    const next = await follow(served.url, events)
    assert.equal(next.response.statusCode, 200)
    next.close()
  })

  it('one that is too old before it has begun is an empty stream', async () => {
    const memory = new MemoryLog()
    const slow: Log = Object.assign(Object.create(memory) as Log, {
      tail: memory.tail.bind(memory),
      read(...args: Parameters<Log['read']>) {
        clock.advance(10_000)
        return memory.read(...args)
      },
    })
    await open({ stream: { age: 10_000 }, log: slow })
    const stream = await follow(served.url, events)
    assert.equal(stream.response.statusCode, 200)
    await waiting()
    clock.advance(1)
    await until(() => stream.ended)
    assert.match(stream.text, /^id: \w+-0\n\n$/)
  })

  it('a heartbeat comes when nothing else does', async () => {
    await open({ stream: { heartbeat: 5_000 } })
    for (const [headers, beat] of [
      [events, ':\n\n'],
      [lines, '\n\n'],
    ] as const) {
      const stream = await follow(served.url, headers)
      await waiting()
      clock.advance(4_999)
      await turn()
      assert.ok(!stream.text.endsWith(beat))
      clock.advance(1)
      await stream.holds(beat)
      stream.close()
      await waiting(0)
    }
  })

  it('a stream is ended when it is old enough, or large enough: the client comes back from its cursor', async () => {
    await open({ stream: { heartbeat: 60_000, age: 10_000, bytes: 3_000 } })
    const old = await follow(served.url, events)
    await waiting()
    clock.advance(10_000)
    await until(() => old.ended)
    assert.equal(old.response.complete, true)

    const large = await follow(served.url, events)
    await waiting()
    for (let n = 0; n < 3; n++) {
      await channel.publish('x'.repeat(1_000))
      await large.holds(`-${n + 1}\n`)
    }
    await until(() => large.ended)
    assert.equal(large.response.complete, true)
    assert.equal(channel.size, 0)
  })

  it('leaves streams alone under compression, and polls to it', async () => {
    await open({}, (app) => app.use(compress({ threshold: 0 })))
    const stream = await follow(served.url, { ...events, 'accept-encoding': 'gzip' })
    assert.equal(stream.response.headers['content-encoding'], undefined)
    await waiting()
    await channel.publish('at once')
    await stream.holds('data: "at once"')
    stream.close()
    const poll = await served.get('/?cursor=0', { 'accept-encoding': 'gzip' })
    assert.equal(poll.headers['content-encoding'], 'gzip')
  })

  it('is told by Accept, where */* is a poll', async () => {
    await open()
    await channel.publish(1)
    for (const [accept, type] of [
      ['*/*', 'application/json'],
      ['text/html, application/json', 'application/json'],
      ['text/event-stream, application/json;q=0.5', 'text/event-stream'],
      ['application/x-ndjson', 'application/x-ndjson'],
    ] as const) {
      const stream = await follow(`${served.url}/?cursor=0`, { accept })
      assert.equal(stream.response.headers['content-type']?.split(';')[0], type, accept)
      stream.close()
    }
  })

  it('HEAD is answered like a plain poll', async () => {
    await open()
    const { id } = await channel.publish(1)
    const answer = await served.ask('HEAD', '/?cursor=0', { headers: events })
    assert.deepEqual([answer.status, answer.headers.etag], [200, `"${id}"`])
  })

  it('a reader that takes nothing is cut off after a while, and its cursor lets it come back', async () => {
    await open({ stream: { stall: 7_000, heartbeat: 60_000 }, backlog: { messages: 10_000, bytes: 100_000_000 } })
    const socket = connect(served.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
    await waiting()
    // until it stalls, whatever the system's buffers take
    while (channel.waiters.size === 1 || clock.next !== 7_000) {
      await channel.publish('x'.repeat(60_000))
      for (let turns = 0; turns < 5; turns++) await turn()
    }
    assert.equal(channel.size, 1)
    const [response] = [...responsesOf(served)]
    assert.ok((response?.writableLength ?? 0) < 400_000, `${response?.writableLength} bytes are on their way`)
    clock.advance(7_000)
    await until(() => channel.size === 0)
    let got = ''
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    const last = [...got.matchAll(/^id: (\S+)$\n^data: .*$\n\n/gm)].at(-1)?.[1]
    const stream = await follow(`${served.url}/?cursor=${last}`, events)
    await stream.holds('\ndata: ')
    const first = /id: \S+\n\nid: \w+-(\d+)\n/.exec(stream.text)?.[1]
    assert.equal(Number(first), Number(last?.split('-')[1]) + 1)
    stream.close()
  })

  it('over HTTP/2 such a reader sees as well that it was cut off, and that is no error of the app', async () => {
    await open({ stream: { stall: 7_000, heartbeat: 60_000 }, backlog: { messages: 10_000, bytes: 100_000_000 } })
    const over2 = await serveHttp2(app)
    try {
      const session = await over2.connect()
      const { stream } = askHttp2(session, { ':path': '/', ...lines })
      stream.pause()
      await waiting()
      while (channel.waiters.size === 1 || clock.next !== 7_000) {
        await channel.publish('x'.repeat(60_000))
        for (let turns = 0; turns < 5; turns++) await turn()
      }
      clock.advance(7_000)
      await until(() => channel.size === 0)
      stream.resume()
      await until(() => stream.closed)
      assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
      assert.equal((await askHttp2(session, { ':path': '/?wait=0' })).status, 204)
      assert.deepEqual(over2.errors, [])
    } finally {
      await over2.close()
    }
  })

  it('one that takes things up again goes on', async () => {
    await open({ backlog: { messages: 10_000, bytes: 100_000_000 } })
    const sent = request(served.url, { headers: events, agent: false })
    const response = await new Promise<import('node:http').IncomingMessage>((resolve) => {
      sent.on('response', resolve).end()
    })
    sent.on('error', () => {})
    response.on('error', () => {})
    response.pause()
    await waiting()
    let count = 0
    while (channel.waiters.size === 1 || clock.next !== 20_000) {
      await channel.publish('x'.repeat(60_000))
      count++
      for (let turns = 0; turns < 5; turns++) await turn()
    }
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    response.resume()
    await until(() => text.includes(`-${count}\n`) && text.endsWith('\n\n'))
    const seqs = [...text.matchAll(/^id: \w+-(\d+)\ndata/gm)].map(([, seq]) => Number(seq))
    assert.deepEqual(
      seqs,
      Array.from({ length: count }, (_, place) => place + 1),
    )
    sent.destroy()
    await until(() => channel.size === 0)
  })

  for (const from of ['what is there already', 'what comes while it waits']) {
    it(`one that takes a large message slowly has all of it: ${from}`, async () => {
      await open({ stream: { stall: 7_000 }, backlog: { bytes: 100_000_000 } })
      const text = 'x'.repeat(30_000_000)
      if (from === 'what is there already') await channel.publish(text)
      const socket = connect(served.port, '127.0.0.1')
      socket.on('error', () => {})
      let got = 0
      socket.on('data', ({ length }) => {
        got += length
      })
      socket.pause()
      socket.write('GET /?cursor=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
      if (from === 'what comes while it waits') {
        await waiting()
        await channel.publish(text)
      }
      await until(() => clock.next === 7_000)
      // six million bytes at a time are more than the system's buffers take
      for (let next = 6_000_000; next <= text.length; next += 6_000_000) {
        clock.advance(5_000)
        socket.resume()
        await until(() => got >= next || socket.destroyed)
        socket.pause()
        assert.equal(socket.destroyed, false)
      }
      socket.resume()
      await waiting()
      socket.destroy()
      await waiting(0)
    })
  }

  it('one that leaves while its first page is read is no error, whether the channel grows meanwhile or not', async () => {
    for (const grows of [false, true]) {
      const log = new MemoryLog()
      const [asked, through, left] = [gate(), gate(), gate()]
      const slow: Log = Object.assign(Object.create(log) as Log, {
        append: log.append.bind(log),
        tail: log.tail.bind(log),
        async read(...args: Parameters<Log['read']>) {
          const reading = await log.read(...args)
          asked.open()
          await through
          return reading
        },
      })
      await open({ log: slow }, (app) => {
        app.use(({ res }, next) => {
          res.once('close', left.open)
          return next()
        })
      })
      const asking = served.get('/', events)
      await asked
      asking.request.destroy()
      await left
      if (grows) await channel.publish(1)
      through.open()
      await until(() => channel.size === 0)
      await turn()
      assert.deepEqual(served.errors, [])
      if (!grows) await served.close()
    }
  })

  it('authorize is asked again before each part: a client that may no longer follow has its stream ended', async () => {
    let may = true
    await open({ authorize: () => may })
    const stream = await follow(served.url, events)
    await waiting()
    await channel.publish('allowed')
    await stream.holds('allowed')
    await waiting()
    may = false
    await channel.publish('secret')
    await until(() => stream.ended)
    assert.ok(!stream.text.includes('secret'))
    assert.equal((await served.get('/', events)).status, 403)
    assert.deepEqual(served.errors, [])
  })

  describe('that reads a backlog slowly', () => {
    /** How many whole messages of a million bytes it has got. */
    const count = ({ text }: Following): number => text.match(/^data: "x*"$/gm)?.length ?? 0
    let stream: Following

    async function stalled(options: ChannelOptions): Promise<void> {
      await open({ backlog: { bytes: 100_000_000 }, ...options })
      for (let part = 0; part < 40; part++) await channel.publish('x'.repeat(1_000_000))
      stream = await follow(`${served.url}/?cursor=0`, events)
      stream.response.pause()
      await until(() => clock.next === 20_000)
    }

    it('is asked for before each page, and gets no further one when it may no longer follow', async () => {
      let asked = 0
      let may = true
      await stalled({
        authorize: () => {
          asked++
          return may
        },
      })
      const pages = asked
      assert.ok(pages < 40)
      may = false
      stream.response.resume()
      await until(() => stream.ended)
      assert.deepEqual([count(stream), asked, stream.response.complete], [pages, pages + 1, true])
      assert.deepEqual(served.errors, [])
    })

    it('ends when it is old enough, and reads the rest when it comes back', async () => {
      await stalled({ stream: { age: 10_000 } })
      clock.advance(10_000)
      stream.response.resume()
      await until(() => stream.ended)
      const got = count(stream)
      assert.ok(got >= 1 && got < 40 && stream.response.complete, `${got}`)
      const last = [...stream.text.matchAll(/^id: (\S+)\ndata/gm)].at(-1)?.[1]
      const rest = await follow(`${served.url}/?cursor=${last}`, events)
      await until(() => rest.text.length > (40 - got) * 1_000_000 && rest.text.endsWith('\n\n'))
      assert.equal(count(rest), 40 - got)
      rest.close()
      await waiting(0)
    })
  })

  it('authorize is asked once for a message, and not for a heartbeat', async () => {
    let asked = 0
    await open({ authorize: () => ++asked })
    const stream = await follow(served.url, events)
    await waiting()
    for (const n of [1, 2, 3]) {
      await channel.publish(n)
      await stream.holds(`data: ${n}\n\n`)
      await waiting()
      clock.advance(15_000)
      await until(() => stream.text.endsWith('\n:\n\n'))
      await waiting()
      assert.equal(asked, 1 + n)
    }
    stream.close()
  })

  it('drop() ends one that is woken, or is being asked for, in good order, and it is told nothing more', async () => {
    const asked: { open(): void }[] = []
    await open({
      authorize: async () => {
        const held = gate()
        asked.push(held)
        await held
      },
    })
    for (const moment of ['woken', 'asked for']) {
      const before = asked.length
      const following = follow(served.url, events)
      await until(() => asked.length === before + 1)
      asked[before]?.open()
      const stream = await following
      await waiting()
      await channel.publish('secret')
      if (moment === 'asked for') await until(() => asked.length === before + 2)
      assert.equal(
        channel.drop(() => true),
        1,
      )
      asked[before + 1]?.open()
      await until(() => stream.ended)
      assert.equal(asked.length, moment === 'woken' ? before + 1 : before + 2)
      assert.equal(stream.response.complete, true, moment)
      assert.match(stream.text, /^id: \w+-\d\n\n$/, moment)
    }
    assert.deepEqual([channel.size, served.errors], [0, []])
  })

  it('drop() ends a stream at once, and close() all of them', async () => {
    await open()
    const [one, two] = [await follow(`${served.url}/?who=1`, events), await follow(`${served.url}/?who=2`, lines)]
    await waiting(2)
    assert.equal(
      channel.drop((ctx) => ctx.query['who'] === '1'),
      1,
    )
    await until(() => one.ended)
    assert.equal(two.ended, false)
    await channel.close()
    await until(() => two.ended)
    assert.equal(channel.size, 0)
    assert.deepEqual(served.errors, [])
  })
})

function* responsesOf({ server }: Served): Generator<import('node:http').ServerResponse> {
  const connections = (server as unknown as { _connections: number })._connections
  assert.ok(connections >= 1)
  for (const handle of (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()) {
    const response = (handle as { _httpMessage?: import('node:http').ServerResponse })._httpMessage
    if (response !== undefined && 'writeHead' in response) yield response
  }
}
