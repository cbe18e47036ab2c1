import assert from 'node:assert/strict'
import { turn, until } from '../support/gate.js'
import { ClientScene } from './client-scene.js'

const event = (n: number, more = ''): string => `id: c-${n}\n${more}data: ${n}\n\n`

describe('the client, by server-sent events', () => {
  let scene: ClientScene
  beforeEach(async () => {
    scene = await new ClientScene().open()
  })
  afterEach(() => scene.close())

  it('takes its place from the start of the stream, and each cursor from the event', async () => {
    const { connection, got, messages } = scene.follow({ transport: 'sse' })
    const stream = await scene.next()
    assert.ok(stream.streams)
    assert.deepEqual([stream.cursor, stream.wait], [null, null])
    assert.equal(connection.state, 'connecting')
    stream.stream('id: c-0\n\n')
    await until(() => connection.state === 'open')
    assert.equal(connection.cursor, 'c-0')
    assert.deepEqual(got, [])
    stream.write(event(1) + event(2, 'event: chat\n'))
    await until(() => got.length === 2)
    assert.equal(connection.cursor, 'c-2')
    assert.deepEqual(messages, [
      { id: 'c-1', data: 1 },
      { id: 'c-2', event: 'chat', data: 2 },
    ])
    assert.equal(scene.server.count, 1)
  })

  it('several channels in one stream, which says so in a comment at its start', async () => {
    const { connection, messages } = scene.follow({ transport: 'sse', cursor: 'a:1,b:1' })
    const stream = (await scene.next()).stream(':channels\nid: a:1,b:1\n\n')
    stream.write('id: a:2,b:1\nevent: chat\ndata: {"channel":"a","data":7}\n\n')
    await until(() => messages.length === 1)
    assert.deepEqual(messages, [{ id: '2', event: 'chat', channel: 'a', data: 7 }])
    assert.equal(connection.cursor, 'a:2,b:1')
  })

  it('of several channels, the id of a message is its place in its own, whatever the channel is called', async () => {
    const names = ['a', 'b', 'ba', 'a b+c', '100%', 'x:y,z', '2', 'комната', '__proto__', '=&', "(*.')"]
    const cursor = names.map((name, n) => `${encodeURIComponent(name)}:e-${n}`).join(',')
    const { connection, messages } = scene.follow({ transport: 'sse', cursor })
    const stream = (await scene.next()).stream(`:channels\nid: ${cursor}\n\n`)
    for (const name of names) stream.write(`id: ${cursor}\ndata: ${JSON.stringify({ channel: name, data: 7 })}\n\n`)
    await until(() => messages.length === names.length)
    assert.deepEqual(
      messages.map(({ id, channel }) => [id, channel]),
      names.map((name, n) => [`e-${n}`, name]),
    )
    assert.equal(connection.cursor, cursor)
  })

  it('data that looks like that of several channels is left alone where there is one', async () => {
    const { messages } = scene.follow({ transport: 'sse', cursor: 'c-0' })
    ;(await scene.next()).stream('id: c-0\n\nid: c-1\ndata: {"channel":"a","data":7}\n\n')
    await until(() => messages.length === 1)
    assert.deepEqual(messages as unknown[], [{ id: 'c-1', data: { channel: 'a', data: 7 } }])
  })

  it('a gap is an event in its place, and the message after it says so', async () => {
    const { got, messages } = scene.follow({ transport: 'sse', cursor: 'c-0' })
    ;(await scene.next()).stream(`id: c-4\nevent: gap\ndata: {"gap":true}\n\n${event(5)}${event(6)}`)
    await until(() => got.length === 3)
    assert.deepEqual(got, ['gap', 5, 6])
    assert.deepEqual(
      messages.map(({ gap }) => gap),
      [true, undefined],
    )
  })

  it('a stream that ends is opened again at once, from the cursor', async () => {
    const { got, errors } = scene.follow({ transport: 'sse', cursor: 'c-0' })
    const stream = (await scene.next()).stream('id: c-0\n\n')
    stream.write(event(1)).response.end()
    const second = await scene.next()
    assert.equal(second.cursor, 'c-1')
    second.stream('id: c-1\n\n')
    await until(() => scene.manual.next === 35_000)
    scene.manual.advance(30_000)
    second.response.end()
    assert.equal((await scene.next()).cursor, 'c-1')
    assert.deepEqual(got, [1])
    assert.deepEqual(errors, [])
  })

  it('streams that end at once, with nothing: one a second', async () => {
    scene.follow({ transport: 'sse', cursor: 'c-0' })
    let stream = await scene.next()
    for (let times = 0; times < 5; times++) {
      stream.stream('id: c-0\n\n').response.end()
      stream = await scene.nextAfter(1_000)
    }
  })

  it('streams that end with the same gap: one a second', async () => {
    scene.follow({ transport: 'sse', cursor: 'c-0' })
    let stream = await scene.next()
    for (let times = 0; times < 5; times++) {
      stream.stream('id: c-0\nevent: gap\ndata: {"gap":true}\n\n').response.end()
      stream = await scene.nextAfter(1_000)
    }
  })

  it('a stream that is cut off at any point is opened again: nothing is lost, nothing comes twice', async () => {
    const whole = `id: c-0\n\n:\n\n${event(1)}${event(2, 'event: chat\n')}`
    const behind = [whole.indexOf('data: 1') + 9, whole.length]
    for (let length = 0; length <= whole.length; length += 3) {
      const { got, connection, errors } = scene.follow({ transport: 'sse', cursor: 'c-0' })
      const stream = (await scene.next()).stream()
      stream.write(whole.slice(0, length))
      const count = behind.filter((end) => end <= length).length
      await until(() => got.length === count)
      // what was written must be there before the socket is gone
      if (length > 0) await until(() => scene.manual.next === 35_000)
      stream.cut()
      await until(() => errors.length === 1)
      assert.equal(errors[0]?.code, 'ERR_NETWORK')
      const again = count > 0 ? await scene.nextAfter(500) : await scene.nextAfter(1_000)
      assert.equal(again.cursor, `c-${count}`)
      again.stream(event(1).repeat(count < 1 ? 1 : 0) + event(2).repeat(count < 2 ? 1 : 0) + event(3))
      await until(() => got.length === 3)
      assert.deepEqual(got, [1, 2, 3])
      connection.close()
      await until(() => again.closed && scene.manual.timers === 0)
    }
  })

  it('heartbeats keep it, and nothing for 35 s ends it', async () => {
    const { errors } = scene.follow({ transport: 'sse', cursor: 'c-0' })
    const stream = (await scene.next()).stream('id: c-0\n\n')
    for (let times = 0; times < 4; times++) {
      await until(() => scene.manual.next === 35_000)
      scene.manual.advance(15_000)
      stream.write(':\n\n')
    }
    await until(() => scene.manual.next === 35_000)
    scene.manual.advance(34_999)
    await scene.quiet()
    assert.equal(stream.closed, false)
    scene.manual.advance(1)
    await until(() => stream.closed && errors.length === 1)
    assert.equal(errors[0]?.code, 'ERR_DEADLINE')
    assert.ok((await scene.nextAfter(500)).streams)
  })

  for (const headers of [true, false]) {
    it(`kept back by a proxy, ${headers ? 'but for the headers' : 'headers too'}: polls from then on`, async () => {
      const { got, errors, connection } = scene.follow({ transport: 'auto' })
      const stream = await scene.next()
      if (headers) stream.stream()
      await until(() => scene.manual.next === 3_000)
      scene.manual.advance(3_000)
      const place = await scene.next()
      assert.ok(stream.closed)
      assert.deepEqual([place.streams, place.cursor, place.wait], [false, null, '0'])
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['ERR_STREAM_SILENT'],
      )
      place.empty('c-0')
      const first = await scene.next()
      first.messages(1)
      const second = await scene.next()
      assert.equal(second.streams, false)
      second.cut()
      assert.equal((await scene.nextAfter(1_000)).streams, false)
      assert.deepEqual(got, [1])
      assert.equal(connection.state, 'connecting')
    })
  }

  it('one silent stream after one that worked is forgiven, two are not', async () => {
    scene.follow({ cursor: 'c-0', transport: 'auto' })
    ;(await scene.next()).stream('id: c-0\n\n').write(event(1)).response.end()
    await scene.next()
    await until(() => scene.manual.next === 3_000)
    scene.manual.advance(3_000)
    assert.ok((await scene.nextAfter(500)).streams)
    await until(() => scene.manual.next === 3_000)
    scene.manual.advance(3_000)
    assert.equal((await scene.next()).streams, false)
  })

  it("'sse': a silent stream is an error like another, and streams it is", async () => {
    const { errors } = scene.follow({ cursor: 'c-0', transport: 'sse' })
    for (const delay of [500, 1_000, 2_000]) {
      await scene.next()
      await until(() => scene.manual.next === 3_000)
      scene.manual.advance(3_000)
      await until(() => scene.manual.next === delay)
      scene.manual.advance(delay)
    }
    assert.ok((await scene.next()).streams)
    assert.equal(errors.length, 3)
  })

  it('what is no event stream, or not one of a channel, is an error, and is not read on', async () => {
    const { errors } = scene.follow({ cursor: 'c-0', transport: 'sse' })
    const page = await scene.next()
    page.response.writeHead(200, { 'content-type': 'text/html' }).write('<h1>Log in</h1>')
    await until(() => errors.length === 1 && page.closed)
    assert.equal(errors[0]?.code, 'ERR_ANSWER')
    const garbled = await scene.nextAfter(1_000)
    garbled.stream('id: c-1\ndata: {\n\n')
    await until(() => errors.length === 2 && garbled.closed)
    assert.equal(errors[1]?.code, 'ERR_ANSWER')
    assert.equal((await scene.nextAfter(1_000)).cursor, 'c-0')
  })

  it('characters and line breaks that are split between two pieces', async () => {
    const { messages } = scene.follow({ transport: 'sse', cursor: 'c-0' })
    const stream = (await scene.next()).stream('id: c-0\r\n\r\n')
    for (const byte of Buffer.from('id: c-1\r\ndata: "grüße 🙂"\r\n\r\n')) {
      stream.write(Buffer.from([byte]))
      await turn()
    }
    await until(() => messages.length === 1)
    assert.deepEqual(messages as unknown[], [{ id: 'c-1', data: 'grüße 🙂' }])
  })

  it('a loop that is slow: the stream is not read on, and its silence is not counted', async () => {
    const connection = scene.connect({ transport: 'sse', cursor: 'c-0' })
    const loop = connection[Symbol.asyncIterator]()
    const stream = (await scene.next()).stream('id: c-0\n\n')
    const first = loop.next()
    stream.write(event(1) + event(2))
    assert.equal((await first).value?.data, 1)
    await until(() => scene.manual.timers === 0)
    scene.manual.advance(100_000)
    assert.equal((await loop.next()).value?.data, 2)
    await until(() => scene.manual.next === 35_000)
    assert.equal(connection.cursor, 'c-1')
    assert.equal(scene.server.count, 1)
  })
})
