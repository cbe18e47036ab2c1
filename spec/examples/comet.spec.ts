import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type Comet, createApp } from '../../examples/comet/app.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { ask, askUntil, endAll, run, skip } from './run-example.js'

const styles = ['/subscribe', '/subscribe/complete', '/subscribe/wait']

describe('the comet example', () => {
  let clock: ManualClock
  let comet: Comet
  let served: Served

  beforeEach(async () => {
    clock = new ManualClock()
    comet = createApp({ clock })
    served = await serve(comet.app)
  })

  afterEach(() => served.close())

  /** Resolves when so many wait. */
  const waiting = (count: number): Promise<void> => askUntil(`${served.url}/waiting`, `{"waiting":${count}}`)

  for (const path of styles) {
    describe(`GET ${path}`, () => {
      it('is held until somebody publishes, and answers with the message as plain text', async () => {
        const polling = served.get(path)
        await waiting(1)
        assert.equal((await served.post('/publish', { message: 'hello' })).body, 'ok')
        const { status, headers, body } = await polling
        assert.equal(status, 200)
        assert.equal(body, 'hello')
        assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
        assert.equal(headers['cache-control'], 'no-store')
        await waiting(0)
      })

      it('stays plain text where the message looks like HTML', async () => {
        const polling = served.get(path)
        await waiting(1)
        await served.post('/publish', { message: '<script>alert(1)</script>' })
        const { headers, body } = await polling
        assert.equal(body, '<script>alert(1)</script>')
        assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
      })

      it('answers 204 when no message comes in 30 seconds', async () => {
        const polling = served.get(path)
        await waiting(1)
        assert.equal(clock.next, 30_000)
        clock.advance(30_000)
        const { status, headers, body } = await polling
        assert.deepEqual([status, body, headers['cache-control']], [204, '', 'no-store'])
        await waiting(0)
      })

      it('forgets a client that leaves, at once', async () => {
        const polling = served.get(path)
        await waiting(1)
        polling.request.destroy()
        await waiting(0)
        assert.equal(clock.timers, 0)
        assert.equal((await served.post('/publish', { message: 'to nobody' })).body, 'ok')
      })
    })
  }

  it('one message reaches all that wait, in every style', async () => {
    const polls = [...styles, ...styles].map((path) => served.get(path))
    await waiting(6)
    await served.post('/publish', { message: 'to all' })
    const answers = await Promise.all(polls)
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body]),
      polls.map(() => [200, 'to all']),
    )
    await waiting(0)
    assert.deepEqual(served.errors, [])
  })

  it('a client that polls again gets the next message, and not the last one', async () => {
    for (const message of ['one', 'two']) {
      const polling = served.get('/subscribe')
      await waiting(1)
      await served.post('/publish', { message })
      assert.equal((await polling).body, message)
    }
  })

  describe('POST /publish', () => {
    const form = 'application/x-www-form-urlencoded'
    const json = 'application/json'

    const publish = (query: string, type = form, body: string | Buffer = '', more = {}) =>
      ask(`${served.url}/publish${query}`, {
        method: 'POST',
        headers: { 'content-type': type, ...more },
        body: body as string,
      })

    for (const [how, query, type, body] of [
      ['a form', '', form, 'message=gr%C3%BC%C3%9F+dich'],
      ['JSON', '', json, '{"message":"grüß dich"}'],
      ['the query', '?message=gr%C3%BC%C3%9F%20dich', undefined, undefined],
    ] as const) {
      it(`takes the message from ${how}`, async () => {
        const polling = served.get('/subscribe')
        await waiting(1)
        const published = await publish(query, type, body)
        assert.deepEqual([published.status, published.body], [200, 'ok'])
        assert.equal((await polling).body, 'grüß dich')
      })
    }

    for (const [what, status, says, ...request] of [
      ['nothing', 400, /Send one message/, ''],
      ['a form without a message', 400, /Send one message/, '', form, 'text=hello'],
      ['an empty message', 400, /Send one message/, '', form, 'message='],
      ['two messages', 400, /Send one message/, '', form, 'message=a&message=b'],
      ['two messages in the query', 400, /Send one message/, '?message=a&message=b'],
      ['a message that is no text', 400, /Send one message/, '', json, '{"message":42}'],
      ['JSON that is no object', 400, /Cannot read the body/, '', json, '"hello"'],
      ['malformed JSON', 400, /Cannot read the body.*JSON/, '', json, '{"message":'],
      ['a type that is not read', 400, /Send one message/, '', 'text/plain', 'hello'],
      ['what is not compressed as it says', 400, /Cannot read/, '', json, '{}', { 'content-encoding': 'gzip' }],
      ['an unknown compression', 415, /Cannot read/, '', json, '{}', { 'content-encoding': 'zip' }],
      ['a huge form', 413, /too large/, '', form, `message=${'a'.repeat(70_000)}`],
      ['huge JSON', 413, /too large/, '', json, `{"message":"${'a'.repeat(70_000)}"}`],
      [
        'JSON that is huge once it is unpacked',
        413,
        /too large/,
        '',
        json,
        gzipSync(`{"message":"${'a'.repeat(70_000)}"}`),
        { 'content-encoding': 'gzip' },
      ],
    ] as [string, number, RegExp, ...Parameters<typeof publish>][]) {
      it(`${what}: ${status}, and those that wait go on waiting`, async () => {
        const polling = served.get('/subscribe')
        await waiting(1)
        const refused = await publish(...request)
        assert.equal(refused.status, status)
        assert.match(refused.body, says)
        await waiting(1)
        await publish('?message=after')
        assert.equal((await polling).body, 'after')
      })
    }

    it('GET: 405', async () => {
      assert.equal((await served.get('/publish?message=hello')).status, 405)
    })
  })

  it('the page stands alone: it loads nothing from elsewhere', async () => {
    const { status, headers, body } = await served.get('/')
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'text/html; charset=utf-8')
    assert.doesNotMatch(body, /https?:|src=|@import|url\(/)
  })

  it('drain: answers all that wait, on connections that close, and resolves when they are answered', async () => {
    const polls = styles.map((path) => served.get(path))
    await waiting(3)
    const draining = comet.boundary.drain()
    clock.advance(10)
    await draining
    for (const { status, headers } of await Promise.all(polls)) {
      assert.deepEqual([status, headers.connection], [204, 'close'])
    }
    assert.equal(clock.timers, 0)
  })
})

describe('npm run comet', () => {
  afterEach(endAll)

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`${signal}: answers all that wait, and ends at once with exit code 0`, async () => {
      const example = run('comet')
      const [url] = await example.prints(/http:\/\/127\.0\.0\.1:\d+/)
      // browsers open connections ahead of time, and say nothing on them
      const silent = connect(Number(new URL(url).port), '127.0.0.1')
      await once(silent, 'connect')
      const polls = styles.map((path) => ask(`${url}${path}`))
      await askUntil(`${url}/waiting`, '{"waiting":3}')

      example.signal(signal)
      for (const { status, connection } of await Promise.all(polls)) {
        assert.deepEqual([status, connection], [204, 'close'])
      }
      assert.deepEqual(await example.ended, { code: 0, signal: null })
      silent.destroy()
    })
  }

  it('a port that is taken: says so, exit code 1', async () => {
    const first = run('comet')
    const [, port = ''] = await first.prints(/127\.0\.0\.1:(\d+)/)
    const second = run('comet', { port })
    assert.equal((await second.ended).code, 1)
    assert.match(second.printed, /^Cannot listen: .*EADDRINUSE.*\n$/)
    first.signal('SIGTERM')
    await first.ended
  })

  it('the lines for curl, as printed and in the README, do what they say', async function () {
    if (spawnSync('curl', ['--version']).status !== 0) skip(this, 'there is no curl')
    const shell = (line: string) => promisify(execFile)('sh', ['-c', line.replace('curl', 'curl --silent')])
    const example = run('comet')
    const [url] = await example.prints(/http:\/\/127\.0\.0\.1:\d+/)
    await example.prints(/waiting\n/)
    const readme = await readFile(new URL('../../examples/comet/README.md', import.meta.url), 'utf8')
    const lines = [...`${example.printed}\n${readme}`.matchAll(/^ *(curl .*)$/gm)].map(([, line = '']) =>
      line.replace('http://127.0.0.1:3000', url),
    )
    const holds = lines.filter((line) => line.includes('/subscribe'))
    const publishes = lines.filter((line) => line.includes('/publish'))
    assert.deepEqual([holds.length, publishes.length, lines.length], [2, 4, 7])

    for (const publish of publishes) {
      const held = holds.map(shell)
      await askUntil(`${url}/waiting`, '{"waiting":2}')
      assert.equal((await shell(publish)).stdout, 'ok')
      for (const { stdout } of await Promise.all(held)) assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhello$/s)
    }
    example.signal('SIGTERM')
    await example.ended
  })
})
