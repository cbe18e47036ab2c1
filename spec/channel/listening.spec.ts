import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants, type Http2ServerResponse } from 'node:http2'
import { connect, type Socket } from 'node:net'
import Koa from 'koa'
import { Ear, Fan } from '../../src/channel/fan.js'
import { Channel, type ChannelOptions, type Continuation, continuations, Hub, MemoryLog } from '../../src/index.js'
import type { After, Position } from '../../src/log/log.js'
import { type Following, follow } from '../support/following.js'
import { gate, turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { askHttp2, serveHttp2, takeNothing } from '../support/serve-http2.js'

const events = { accept: 'text/event-stream' }

/** The numbers that were sent to it, each an event. */
const seen = ({ text }: Following) => [...text.matchAll(/^data: (\d+)$/gm)].map(([, number]) => Number(number))
const turns = async (): Promise<void> => {
  for (let count = 0; count < 5; count++) await turn()
}
const upTo = (count: number) => Array.from({ length: count }, (_, place) => place + 1)

describe('a stream that listens', () => {
  let served: Served
  let channel: Channel
  let clock: ManualClock
  afterEach(() => served.close())

  async function open(options: ChannelOptions = {}, above: (app: Koa) => void = () => {}): Promise<void> {
    clock = new ManualClock()
    channel = new Channel('news', { now: clock.now, ...options })
    const app = new Koa()
    above(app)
    app.use(continuations({ clock }))
    app.use((ctx, next) => {
      ctx.continuation.priority = Number(ctx.query['priority'] ?? 0)
      return next()
    })
    app.use(channel.subscriber())
    served = await serve(app)
  }

  const waiting = (count = 1) => until(() => channel.waiters.size === count)

  /** To the server, as it stands there. */
  function say(what: string): { readonly socket: Socket; text: string } {
    const client = { socket: connect(served.port, '127.0.0.1'), text: '' }
    client.socket.setEncoding('utf8').on('data', (chunk: string) => {
      client.text += chunk
    })
    client.socket.write(what)
    return client
  }

  /** Puts a `write` of its own on each response. */
  const hearing =
    (hear: (chunk: Buffer, url: string) => void) =>
    (app: Koa): void => {
      app.use(({ res, url }, next) => {
        const { write } = res
        res.write = ((chunk: Buffer) => {
          hear(chunk, url)
          return write.call(res, chunk, 'utf8')
        }) as typeof write
        return next()
      })
    }

  it('keeps its place among those that wait, and waits on, while it is told of one message after the other', async () => {
    await open()
    const stream = await follow(served.url, events)
    await waiting()
    const [continuation] = [...channel.waiters]
    const since = continuation?.since
    clock.advance(1_000)
    for (const n of upTo(5)) {
      const { woken } = await channel.publish(n)
      assert.equal(woken, 1)
      await until(() => seen(stream).length === n)
      assert.equal(channel.waiters.size, 1)
    }
    assert.deepEqual([[...channel.waiters][0], continuation?.since], [continuation, since])
    stream.close()
    await waiting(0)
    assert.equal((await channel.publish(6)).woken, 0)
  })

  it('gets each message once and in order, however many come before its turn', async () => {
    await open()
    const streams = await Promise.all(upTo(20).map(() => follow(served.url, events)))
    await waiting(20)
    const receipts = []
    for (const n of upTo(30)) receipts.push(await channel.publish(n))
    for (const stream of streams) {
      await until(() => seen(stream).length >= 30)
      assert.deepEqual(seen(stream), upTo(30))
      stream.close()
    }
    assert.equal(receipts[0]?.woken, 20)
    // those that have their turn still to come are not woken by the next message
    assert.ok(receipts.every(({ woken }) => woken <= 20))
    await until(() => channel.size === 0)
  })

  it('counts, and tells, polls and streams alike', async () => {
    await open()
    const stream = await follow(served.url, events)
    await waiting(1)
    const poll = served.get('/?wait=60')
    await waiting(2)
    assert.equal((await channel.publish(1)).woken, 2)
    assert.equal((await poll).status, 200)
    await until(() => seen(stream).length === 1)
    stream.close()
    await waiting(0)
    const alone = served.get('/?wait=60')
    await waiting(1)
    assert.equal((await channel.publish(2)).woken, 1)
    assert.equal((await alone).status, 200)
  })

  it('a heartbeat comes when nothing was written for so long, not when it has waited for so long', async () => {
    await open({ stream: { heartbeat: 5_000 } })
    const stream = await follow(served.url, events)
    await waiting()
    clock.advance(3_000)
    await channel.publish(1)
    await until(() => seen(stream).length === 1)
    clock.advance(4_999)
    await turns()
    assert.ok(!stream.text.includes('\n:\n\n'))
    await waiting()
    clock.advance(1)
    await stream.holds('\n:\n\n')
    await waiting()
    await channel.publish(2)
    await until(() => seen(stream).length === 2)
    stream.close()
  })

  it('is ended when it is old enough, with news or without', async () => {
    await open({ stream: { age: 10_000, heartbeat: 60_000 } })
    const stream = await follow(served.url, events)
    await waiting()
    clock.advance(9_999)
    await channel.publish(1)
    await until(() => seen(stream).length === 1)
    assert.equal(stream.ended, false)
    clock.advance(1)
    await until(() => stream.ended)
    assert.equal(stream.response.complete, true)
  })

  it('one that was sent away is told of nothing any more, not even of what is published in the same turn', async () => {
    await open()
    const stream = await follow(served.url, events)
    await waiting()
    await channel.publish(1)
    await until(() => seen(stream).length === 1)
    const publishing = channel.publish(2)
    channel.drop(() => true)
    await publishing
    await until(() => stream.ended)
    assert.deepEqual(seen(stream), [1])
    assert.equal(stream.response.complete, true)
    assert.deepEqual(served.errors, [])
  })

  it('one that leaves before its turn has come is forgotten, and the others have theirs', async () => {
    await open()
    const streams = await Promise.all(upTo(3).map(() => follow(served.url, events)))
    await waiting(3)
    const leaving = [...channel.waiters][1]
    assert.equal((await channel.publish(1)).woken, 3)
    // all of them are in line by now, and the loop has not turned
    leaving?.context.res.destroy()
    await until(() => channel.size === 2)
    await until(() => streams.filter((stream) => seen(stream).length === 1).length === 2)
    assert.deepEqual(streams.map((stream) => seen(stream).length).toSorted(), [0, 1, 1])
    assert.equal((await channel.publish(2)).woken, 2)
    await until(() => streams.filter((stream) => seen(stream).length === 2).length === 2)
    for (const stream of streams) stream.close()
    await until(() => channel.size === 0)
  })

  it('texts of several bytes a letter arrive whole', async () => {
    await open()
    const stream = await follow(served.url, events)
    await waiting()
    const text = 'zwölf Boxkämpfer 🥊 '.repeat(50)
    for (const n of upTo(3)) await channel.publish(`${text}${n}`)
    await stream.holds(`${text}3`)
    assert.equal([...stream.text.matchAll(/^data: "(.*)"$/gm)].length, 3)
    stream.close()
  })

  it('goes through a `write` that middleware has put in its place', async () => {
    const written: number[] = []
    await open(
      {},
      hearing(({ length }) => written.push(length)),
    )
    const stream = await follow(served.url, events)
    await waiting()
    await channel.publish(1)
    await until(() => seen(stream).length === 1)
    assert.equal(
      written.reduce((sum, length) => sum + length, 0),
      stream.text.length,
    )
    assert.equal(written.length, 2)
    stream.close()
  })

  it('goes through a `write` of middleware that does not say whether more is taken', async () => {
    await open({}, (app) => {
      app.use(({ res }, next) => {
        const { write } = res
        res.write = ((chunk: Buffer) => {
          write.call(res, chunk, 'utf8')
        }) as unknown as typeof write
        return next()
      })
    })
    const stream = await follow(served.url, events)
    await waiting()
    for (const n of upTo(3)) {
      await channel.publish(n)
      await until(() => seen(stream).length === n)
    }
    assert.equal(channel.waiters.size, 1)
    const text = 'x'.repeat(60_000)
    stream.response.pause()
    for (let count = 0; channel.waiters.size === 1; count++) {
      assert.ok(count < 2_000, 'what it does not take is written all the same')
      await channel.publish(text)
      await turns()
    }
    stream.response.resume()
    await waiting()
    await channel.publish(4)
    await until(() => seen(stream).length === 4)
    stream.close()
  })

  it('what middleware keeps back by cork() does not get out of order', async () => {
    let response: Koa.Context['res'] | undefined
    await open({}, (app) => {
      app.use(({ res }, next) => {
        response = res
        return next()
      })
    })
    const stream = await follow(served.url, events)
    await waiting()
    response?.cork()
    response?.write(': kept back\n\n')
    await channel.publish(1)
    await turns()
    response?.uncork()
    await until(() => seen(stream).length === 1)
    assert.match(stream.text, /^: kept back\n\nid: \w+-1\ndata: 1\n\n$/m)
    stream.close()
  })

  describe('whose client takes nothing for now, and yet the socket takes more', () => {
    let response: Koa.Context['res']
    let client: ReturnType<typeof say>
    const opened = async (options: ChannelOptions = {}): Promise<void> => {
      const backlog = { messages: 100_000, bytes: 100_000_000 }
      await open({ backlog, ...options }, (app) => {
        app.use(({ res }, next) => {
          response = res
          return next()
        })
      })
      client = say('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
      client.socket.on('error', () => {})
      client.socket.pause()
      await waiting()
      while (response.socket?.writableLength === 0) {
        await channel.publish('x'.repeat(5_000))
        await turns()
      }
      assert.deepEqual([response.socket?.writableNeedDrain, channel.waiters.size], [false, 1])
    }
    const closed = async (): Promise<string> => {
      client.socket.resume()
      await until(() => client.text.endsWith('\r\n0\r\n\r\n') || client.socket.destroyed)
      return client.text
    }
    afterEach(() => {
      client.socket.destroy()
    })

    it('what has said that it is leaving is written nothing, and has what was written before', async () => {
      await opened()
      client.socket.end()
      await until(() => response.socket?.writable === false)
      await channel.publish('too late')
      await turns()
      assert.ok(!(await closed()).includes('too late'))
      assert.ok(client.text.endsWith('"\n\n\r\n'))
      await until(() => channel.size === 0)
      assert.deepEqual(served.errors, [])
    })

    it('what the app has ended is told of nothing any more', async () => {
      await opened()
      response.end()
      await channel.publish('too late')
      await turns()
      assert.ok(!(await closed()).includes('too late'))
      await until(() => channel.size === 0)
    })

    it('what the app has ended has no heartbeat, and is no error', async () => {
      await opened()
      response.end()
      clock.advance(15_000)
      await until(() => channel.size === 0)
      assert.deepEqual(served.errors, [])
      assert.ok((await closed()).endsWith('"\n\n\r\n0\r\n\r\n'))
    })

    it('what the app has ended is not told when to come back by a drain', async () => {
      await opened()
      response.end()
      const draining = channel.drain({ rate: Number.POSITIVE_INFINITY })
      clock.advance(1)
      await until(() => channel.size === 0)
      assert.ok(!(await closed()).includes('retry'))
      assert.equal((await draining).failed, 0)
    })
  })

  it('HTTP/1.0, which knows no chunks', async () => {
    await open()
    const client = say('GET / HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n')
    await waiting()
    await channel.publish(1)
    await until(() => client.text.includes('data: 1'))
    assert.match(client.text, /\r\n\r\nid: \w+-0\n\nid: \w+-1\ndata: 1\n\n$/)
    client.socket.destroy()
    await until(() => channel.size === 0)
  })

  it('HTTP/2', async () => {
    channel = new Channel('news')
    const app = new Koa().use(continuations()).use(channel.subscriber())
    served = (await serveHttp2(app)) as unknown as Served
    const session = await (served as unknown as Awaited<ReturnType<typeof serveHttp2>>).connect()
    const asking = askHttp2(session, { ':path': '/', ...events })
    let text = ''
    asking.stream.on('data', (chunk: Buffer) => {
      text += chunk
    })
    await waiting()
    for (const n of upTo(3)) await channel.publish(n)
    await until(() => text.includes('data: 3'))
    await channel.close()
    assert.match((await asking).body, /data: 1\n\nid: \w+-2\ndata: 2\n\nid: \w+-3\ndata: 3\n\n$/)
  })

  describe('over HTTP/2 that takes nothing and leaves', () => {
    let errors: Error[]
    const leave = async (options: ChannelOptions, parked: () => Promise<unknown>): Promise<void> => {
      channel = new Channel('news', options)
      const app = new Koa()
      // what is written behind its end is an error of the stream, which nobody needs to tell the app
      app.use(({ res }, next) => {
        ;(res as unknown as Http2ServerResponse).stream.on('error', (error: Error) => errors.push(error))
        return next()
      })
      app.use(continuations()).use(channel.subscriber())
      const http2 = await serveHttp2(app)
      served = http2 as unknown as Served
      errors = http2.errors
      const session = await http2.connect()
      await takeNothing(session)
      const { stream } = askHttp2(session, { ':path': '/', ...events })
      await once(stream, 'response')
      await parked()
      stream.close(constants.NGHTTP2_NO_ERROR)
      await once(stream, 'close')
    }

    it('is let go of before there is anything new', async () => {
      await leave({}, () => waiting())
      await until(() => channel.size === 0 && channel.waiters.size === 0)
      await channel.publish(1)
      await turns()
      assert.deepEqual(errors, [])
    })

    it('is not written to once it has been asked whether it may', async () => {
      const asked = gate()
      const answer = gate()
      let reader: Continuation | undefined
      const authorize = async ({ continuation }: Koa.Context): Promise<boolean> => {
        if (reader === undefined) reader = continuation
        else {
          asked.open()
          await answer
        }
        return true
      }
      await leave({ authorize }, async () => {
        await waiting()
        await channel.publish(1)
        await asked
      })
      await until(() => reader?.signal.aborted === true)
      answer.open()
      await until(() => channel.size === 0)
      await turns()
      assert.deepEqual(errors, [])
    })
  })

  it('a request that stands behind another on its connection is written to in its turn', async () => {
    const first = gate()
    await open({}, (app) => {
      app.use(async (ctx, next) => {
        if (ctx.path !== '/first') return next()
        await first
        ctx.body = 'first'
      })
    })
    const client = say(
      'GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n',
    )
    await waiting()
    await channel.publish(1)
    await turns()
    first.open()
    await until(() => client.text.includes('data: 1'))
    await channel.publish(2)
    await until(() => client.text.includes('data: 2'))
    assert.match(client.text, /first[\s\S]*-0\n\n[\s\S]*data: 1\n\n[\s\S]*data: 2\n\n/)
    client.socket.destroy()
    await until(() => channel.size === 0)
  })

  describe('of a log that takes its time', () => {
    class SlowLog extends MemoryLog {
      /** Readings that are slow wait for it. */
      through = gate()
      isSlow = (_after: unknown): boolean => false
      reading = 0
      failure: Error | undefined
      /** How much is read at once. */
      page = Number.POSITIVE_INFINITY

      override async read(channel: string, after: After, bytes = this.page): ReturnType<MemoryLog['read']> {
        const { through, failure } = this
        const isSlow = this.isSlow(after)
        this.reading++
        const answer = super.read(channel, after, Math.min(bytes, this.page))
        if (isSlow) await through
        if (failure !== undefined) throw failure
        return answer
      }

      /** The channel rings by itself when it is published to; nothing else does here. */
      override async tail(): Promise<() => void> {
        return () => {}
      }
    }

    let log: SlowLog
    let streams: Following[]
    const opened = async (count: number): Promise<void> => {
      log = new SlowLog()
      await open({ log, backlog: { bytes: 100_000_000 } })
      streams = await Promise.all(upTo(count).map(() => follow(served.url, events)))
      await waiting(count)
    }

    /** The first message is published, and is on its way from the log. */
    async function readingBegins(): Promise<void> {
      const before = log.reading
      await channel.publish(1)
      await until(() => log.reading > before)
    }

    it('what comes while it reads is told behind it, once', async () => {
      await opened(3)
      log.isSlow = () => true
      const before = log.reading
      await readingBegins()
      for (const n of [2, 3]) {
        await channel.publish(n)
        await turns()
      }
      // all are in the same place, and none begins to read before it knows what is there
      assert.equal(log.reading, before + 1)
      log.isSlow = () => false
      log.through.open()
      for (const stream of streams) {
        await until(() => seen(stream).length >= 3)
        assert.deepEqual(seen(stream), [1, 2, 3])
        stream.close()
      }
      await until(() => channel.size === 0)
    })

    it('reads once for all that are in the same place', async () => {
      await opened(10)
      const before = log.reading
      await channel.publish(1)
      for (const stream of streams) await until(() => seen(stream).length === 1)
      // the message, and that there is nothing behind it
      assert.equal(log.reading - before, 2)
      for (const stream of streams) stream.close()
    })

    it('one whose heartbeat falls into the reading loses nothing and gets nothing twice', async () => {
      await opened(1)
      log.isSlow = () => true
      await readingBegins()
      clock.advance(15_000)
      await streams[0]?.holds('\n:\n\n')
      log.isSlow = () => false
      log.through.open()
      await until(() => seen(streams[0] as Following).length >= 1)
      await channel.publish(2)
      await until(() => seen(streams[0] as Following).length >= 2)
      assert.deepEqual(seen(streams[0] as Following), [1, 2])
      streams[0]?.close()
    })

    it('what is read just when the time is up is told all the same', async () => {
      await opened(1)
      const [stream] = streams as [Following]
      log.isSlow = () => true
      await readingBegins()
      // decided now, and dispatched in a turn of its own: the reading ends in between
      clock.advance(15_000)
      log.isSlow = () => false
      log.through.open()
      await until(() => seen(stream).length >= 1)
      await waiting()
      await channel.publish(2)
      await until(() => seen(stream).length >= 2)
      assert.deepEqual(seen(stream), [1, 2])
      stream.close()
    })

    it('what comes while it looks whether there is more is told too', async () => {
      await opened(1)
      const [stream] = streams as [Following]
      // behind the first message
      log.isSlow = (after) => (after as Position).seq === 1
      await channel.publish(1)
      await until(() => seen(stream).length === 1)
      await turns()
      await channel.publish(2)
      await turns()
      log.isSlow = () => false
      log.through.open()
      await until(() => seen(stream).length >= 2)
      assert.deepEqual(seen(stream), [1, 2])
      stream.close()
    })

    it('what it has read too late it does not tell again', async () => {
      await opened(1)
      const [stream] = streams as [Following]
      log.isSlow = () => true
      await readingBegins()
      log.isSlow = () => false
      await channel.publish(2)
      clock.advance(15_000)
      await until(() => seen(stream).length >= 2)
      await waiting()
      log.through.open()
      await turns()
      await channel.publish(3)
      await until(() => seen(stream).length >= 3)
      assert.deepEqual(seen(stream), [1, 2, 3])
      stream.close()
    })

    it('where it gives little at once, all of it comes by one ring', async () => {
      await opened(2)
      log.page = 1
      await Promise.all(upTo(20).map((n) => channel.publish(n)))
      for (const stream of streams) {
        await until(() => seen(stream).length >= 20)
        assert.deepEqual(seen(stream), upTo(20))
        stream.close()
      }
    })

    it('more than the socket takes comes by one ring', async () => {
      await opened(1)
      const [stream] = streams as [Following]
      stream.response.pause()
      const text = 'x'.repeat(60_000)
      await Promise.all(upTo(200).map((n) => channel.publish(`${text}${n}`)))
      // whatever the system's buffers take, this is more: it waits for the socket
      await waiting(0)
      await turns()
      stream.response.resume()
      await stream.holds('x200"')
      assert.equal([...stream.text.matchAll(/^data: /gm)].length, 200)
      stream.close()
    })

    it('a reading that fails just when the time is up is tried again', async () => {
      await opened(1)
      const [stream] = streams as [Following]
      log.isSlow = () => true
      log.failure = new Error('for a moment')
      await readingBegins()
      log.failure = undefined
      log.isSlow = () => false
      clock.advance(15_000)
      log.through.open()
      for (const n of [1, 2, 3]) {
        await until(() => seen(stream).length >= n)
        await waiting()
        await channel.publish(n + 1)
      }
      await until(() => seen(stream).length >= 4)
      assert.deepEqual([seen(stream), served.errors], [[1, 2, 3, 4], []])
      stream.close()
    })

    it('where the log fails, the streams end, and the app hears of it', async () => {
      await opened(2)
      log.failure = new Error('the disk is gone')
      await channel.publish(1)
      for (const stream of streams) await until(() => stream.ended)
      assert.deepEqual(
        served.errors.map(({ message }) => message),
        ['the disk is gone', 'the disk is gone'],
      )
      assert.equal(channel.size, 0)
      log.failure = undefined
      assert.equal((await channel.publish(2)).woken, 0)
    })
  })

  it('where the log fails and does not say why, the stream ends, and nothing else does', async () => {
    const log = new MemoryLog()
    await open({ log })
    const stream = await follow(served.url, events)
    await waiting()
    log.read = () => Promise.reject(undefined)
    await channel.publish(1)
    await until(() => stream.ended)
    assert.deepEqual([served.errors.length, channel.size], [1, 0])
  })

  it('of several channels, hears of each', async () => {
    clock = new ManualClock()
    const hub = new Hub()
    for (const name of ['a', 'b']) hub.channel(name)
    served = await serve(new Koa().use(continuations({ clock })).use(hub.subscriber(() => ['a', 'b'])))
    const stream = await follow(served.url, events)
    await until(() => [...hub].every(({ waiters }) => waiters.size === 1))
    await hub.get('a')?.publish(1)
    await stream.holds('{"channel":"a","data":1}')
    await hub.get('b')?.publish(2)
    await stream.holds('{"channel":"b","data":2}')
    await Promise.all([hub.get('a')?.publish(3), hub.get('b')?.publish(4)])
    await stream.holds('"data":3}')
    await stream.holds('"data":4}')
    assert.equal([...stream.text.matchAll(/"data":\d/g)].length, 4)
    stream.close()
    await until(() => [...hub].every(({ size }) => size === 0))
  })

  it('the higher priority is told first', async () => {
    const order: string[] = []
    await open(
      {},
      hearing((chunk, url) => {
        if (String(chunk).includes('data: 1\n')) order.push(url)
      }),
    )
    const streams: Following[] = []
    for (const path of ['/', '/?priority=1', '/?priority=2', '/?priority=1&second']) {
      streams.push(await follow(served.url + path, events))
      await waiting(streams.length)
    }
    assert.equal((await channel.publish(1)).woken, 4)
    await until(() => order.length === 4)
    assert.deepEqual(order, ['/?priority=2', '/?priority=1', '/?priority=1&second', '/'])
    for (const stream of streams) stream.close()
    await waiting(0)
  })

  it('each boundary has turns of its own', async () => {
    await open()
    const late: (() => void)[] = []
    const stopped = Object.assign(new ManualClock(), { nextTurn: (callback: () => void) => late.push(callback) })
    const other = await serve(new Koa().use(continuations({ clock: stopped })).use(channel.subscriber()))
    const [one, two] = [await follow(served.url, events), await follow(other.url, events)]
    await waiting(2)
    assert.equal((await channel.publish(1)).woken, 2)
    await until(() => seen(one).length === 1)
    assert.deepEqual(seen(two), [])
    for (const turn of late) turn()
    await until(() => seen(two).length === 1)
    for (const stream of [one, two]) stream.close()
    await waiting(0)
    await other.close()
  })

  it('a poll of the same client takes the place of its stream', async () => {
    await open({ clientId: (ctx) => String(ctx.query['who']) })
    const stream = await follow(`${served.url}/?who=me`, events)
    await waiting()
    await channel.publish(1)
    await until(() => seen(stream).length === 1)
    await waiting()
    const poll = served.get('/?who=me&wait=60')
    await until(() => stream.ended)
    assert.equal((await channel.publish(2)).woken, 1)
    assert.equal((await poll).status, 200)
  })
})

describe('Fan', () => {
  const line: Fan[] = []
  const told: string[] = []
  let fan: Fan
  const ear = (name: string) => new Ear({ news: () => told.push(name) })
  const go = () => line.shift()?.wake()
  beforeEach(() => {
    line.length = 0
    told.length = 0
    fan = new Fan({ push: (next) => line.push(next as Fan) }, 0)
  })

  it('tells one a turn, in order of arrival, and is in line once', () => {
    for (const name of ['a', 'b', 'c']) fan.push(ear(name))
    assert.equal(fan.grown(), 3)
    assert.equal(fan.grown(), 0)
    assert.equal(line.length, 1)
    go()
    assert.deepEqual([told, line.length], [['a'], 1])
    // a has been told, and is to be told again
    assert.equal(fan.grown(), 1)
    assert.equal(fan.size, 3)
    for (let turn = 0; turn < 3; turn++) go()
    assert.deepEqual(told, ['a', 'b', 'c', 'a'])
    assert.deepEqual([line.length, fan.size, fan.grown()], [0, 3, 3])
  })

  it('who leaves while it is told, or before, is not told again', () => {
    const leaving: Ear = new Ear({
      news() {
        told.push('leaving')
        leaving.chain?.delete(leaving)
      },
    })
    const gone = ear('gone')
    for (const one of [leaving, gone, ear('stays')]) fan.push(one)
    assert.equal(fan.grown(), 3)
    gone.chain?.delete(gone)
    while (line.length > 0) go()
    assert.deepEqual([told, fan.size], [['leaving', 'stays'], 1])
    assert.equal(fan.grown(), 1)
    while (line.length > 0) go()
    assert.deepEqual(told, ['leaving', 'stays', 'stays'])
  })

  it('where all have left, nobody is told, and nobody waits for a turn that never ends', () => {
    const [one, two] = [ear('one'), ear('two')]
    fan.push(one)
    fan.push(two)
    fan.grown()
    one.chain?.delete(one)
    two.chain?.delete(two)
    while (line.length > 0) go()
    assert.deepEqual([told, fan.size, fan.grown()], [[], 0, 0])
  })
})
