import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createApp, type KeyValue } from '../../examples/key-value/app.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Answer, type Asking, type Served, serve } from '../support/serve.js'
import { ask, askUntil, endAll, run, skip } from './run-example.js'

describe('the key-value example', () => {
  let clock: ManualClock
  let store: KeyValue
  let served: Served

  beforeEach(async () => {
    clock = new ManualClock()
    store = createApp({ clock, keys: 3, keyBytes: 8, valueBytes: 100, longest: 60 })
    served = await serve(store.app)
  })

  afterEach(async () => {
    await served.close()
    assert.deepEqual(served.errors, [])
    assert.equal(clock.timers, 0)
  })

  const waiting = (count: number): Promise<void> => until(() => store.waiting.size === count)
  const set = (key: string, value: unknown): Asking => served.post('/set', { key, value })
  const get = (key: string, wait: number): Asking => served.get(`/get?key=${encodeURIComponent(key)}&wait=${wait}`)
  const told = ({ status, body }: Answer): unknown[] => [status, JSON.parse(body)]
  const refused = ({ status, body, headers }: Answer): unknown[] => {
    const { error, ...rest } = JSON.parse(body)
    assert.deepEqual([rest, Object.keys(error)], [{}, ['code', 'message']])
    assert.match(error.message, /\w/)
    assert.equal(headers['cache-control'], 'no-store')
    return [status, error.code]
  }

  for (const value of [42, 0, false, null, '', 'grüße', [], {}, { deep: [{ er: [null] }] }, '<script>']) {
    it(`${JSON.stringify(value)} is set, and got as it is: at once, and by one who waits`, async () => {
      const early = get('key', 10)
      await waiting(1)
      assert.deepEqual(told(await set('key', value)), [200, { key: 'key', woken: 1 }])
      const late = get('key', 10)
      for (const asking of [early, late]) {
        const answer = await asking
        assert.deepEqual(told(answer), [200, { key: 'key', value }])
        assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
        assert.equal(answer.headers['cache-control'], 'no-store')
      }
    })
  }

  for (const [how, asks] of [
    ['GET', (key: string, wait?: number) => served.get(`/get?key=${key}${wait === undefined ? '' : `&wait=${wait}`}`)],
    ['POST', (key: string, wait?: number) => served.post('/get', { key, wait })],
  ] as const) {
    describe(`${how} /get`, () => {
      it('is held until the key is set', async () => {
        const asking = asks('a', 5)
        await waiting(1)
        await set('b', 'another key')
        assert.equal(store.waiting.size, 1)
        await set('a', 1)
        assert.deepEqual(told(await asking), [200, { key: 'a', value: 1 }])
      })

      it('is answered 404 when the time is up, and not before', async () => {
        const asking = asks('a', 2.5)
        await waiting(1)
        clock.advance(2_499)
        await turn()
        assert.equal(store.waiting.size, 1)
        clock.advance(1)
        assert.deepEqual(refused(await asking), [404, 'ERR_KEY_NOT_SET'])
        assert.equal(store.waiting.size, 0)
        assert.deepEqual(told(await set('a', 1)), [200, { key: 'a', woken: 0 }])
      })

      it('waits for 30 s when it does not say how long', async () => {
        const asking = asks('a')
        await waiting(1)
        assert.equal(clock.next, 30_000)
        clock.advance(30_000)
        assert.deepEqual(refused(await asking), [404, 'ERR_KEY_NOT_SET'])
      })

      it('does not wait for 0 s', async () => {
        assert.deepEqual(refused(await asks('a', 0)), [404, 'ERR_KEY_NOT_SET'])
        await set('a', 1)
        assert.deepEqual(told(await asks('a', 0)), [200, { key: 'a', value: 1 }])
      })

      it('is forgotten when it leaves', async () => {
        const asking = asks('a', 60)
        await waiting(1)
        asking.request.destroy()
        await waiting(0)
      })
    })
  }

  it('one set wakes all that wait for its key, and nobody else', async () => {
    const asking = Array.from({ length: 20 }, () => get('a', 10))
    const other = get('b', 10)
    await waiting(21)
    assert.deepEqual(told(await set('a', [1])), [200, { key: 'a', woken: 20 }])
    for (const one of asking) assert.deepEqual(told(await one), [200, { key: 'a', value: [1] }])
    assert.equal(store.waiting.size, 1)
    await set('b', 2)
    await other
  })

  it('who was woken has the value that woke it, whatever comes after that', async () => {
    const asking = Array.from({ length: 5 }, () => get('a', 10))
    await waiting(5)
    const after = [set('a', 'first'), set('a', 'second'), served.post('/delete', { key: 'a' })]
    const values = (await Promise.all(asking)).map(({ body }) => JSON.parse(body).value)
    assert.equal(new Set(values).size, 1)
    assert.equal((await Promise.all(after)).length, 3)
  })

  it('a set in the same moment as a get is never lost', async () => {
    for (let round = 0; round < 100; round++) {
      const key = `k${round}`
      const both = round % 2 ? [get(key, 60), set(key, round)] : [set(key, round), get(key, 60)]
      const answers = (await Promise.all(both)).map(told)
      assert.ok(answers.some(([, body]) => (body as { value?: number }).value === round))
      await served.post('/delete', { key })
    }
  })

  it('delete: it is not there any more, and a get waits again', async () => {
    await set('a', 1)
    assert.deepEqual(told(await served.post('/delete', { key: 'a' })), [200, { key: 'a', deleted: true }])
    assert.deepEqual(told(await served.post('/delete', { key: 'a' })), [200, { key: 'a', deleted: false }])
    const asking = get('a', 10)
    await waiting(1)
    await set('a', 2)
    assert.deepEqual(told(await asking), [200, { key: 'a', value: 2 }])
  })

  for (const key of ['__proto__', 'toString', 'ключ', ' ', 'a&b=c']) {
    it(`${JSON.stringify(key)} is a key like any other`, async () => {
      await served.close()
      served = await serve(createApp({ clock }).app)
      assert.deepEqual(refused(await get(key, 0)), [404, 'ERR_KEY_NOT_SET'])
      await set(key, key)
      assert.deepEqual(told(await get(key, 0)), [200, { key, value: key }])
    })
  }

  it('so many keys and no more; those that are there can still be set', async () => {
    for (const key of ['a', 'b', 'c']) await set(key, 1)
    const asking = get('d', 10)
    await waiting(1)
    assert.deepEqual(refused(await set('d', 1)), [507, 'ERR_TOO_MANY_KEYS'])
    assert.equal(store.waiting.size, 1)
    assert.equal((await set('a', 2)).status, 200)
    await served.post('/delete', { key: 'b' })
    assert.deepEqual(told(await set('d', 3)), [200, { key: 'd', woken: 1 }])
    assert.deepEqual(told(await asking), [200, { key: 'd', value: 3 }])
    assert.deepEqual(told(await served.get('/status')), [200, { keys: 3, waiting: 0 }])
  })

  it('the largest key and value are taken', async () => {
    assert.equal((await set('ä'.repeat(4), 'x'.repeat(98))).status, 200)
  })

  it('so many gets may wait and no more: 503, with Retry-After', async () => {
    await served.close()
    store = createApp({ clock, limits: { total: 1 } })
    served = await serve(store.app)
    const asking = get('a', 10)
    await waiting(1)
    const answer = await get('a', 10)
    assert.deepEqual(refused(answer), [503, 'ERR_SUSPENSION_LIMIT'])
    assert.match(answer.headers['retry-after'] ?? '', /^\d+$/)
    await set('a', 1)
    await asking
  })

  describe('bad input', () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    for (const [method, path, body, status, code] of [
      ['POST', '/set', '', 400, 'ERR_INVALID_KEY'],
      ['POST', '/set', '{', 400, 'ERR_INVALID_BODY'],
      ['POST', '/set', '"text"', 400, 'ERR_INVALID_BODY'],
      ['POST', '/set', '[]', 400, 'ERR_INVALID_KEY'],
      ['POST', '/set', '{"key":"a","value":{"__proto__":1}}', 400, 'ERR_INVALID_BODY'],
      ['POST', '/set', '{"value":1}', 400, 'ERR_INVALID_KEY'],
      ['POST', '/set', '{"key":1,"value":1}', 400, 'ERR_INVALID_KEY'],
      ['POST', '/set', '{"key":"","value":1}', 400, 'ERR_INVALID_KEY'],
      ['POST', '/set', '{"key":"ääääa","value":1}', 413, 'ERR_KEY_TOO_LARGE'],
      ['POST', '/set', '{"key":"a"}', 400, 'ERR_INVALID_VALUE'],
      ['POST', '/set', `{"key":"a","value":"${'x'.repeat(99)}"}`, 413, 'ERR_VALUE_TOO_LARGE'],
      ['POST', '/set', `{"key":"a","value":"${'x'.repeat(10_000)}"}`, 413, 'ERR_TOO_LARGE'],
      ['POST', '/get', '{}', 400, 'ERR_INVALID_KEY'],
      ['POST', '/get', '{"key":"a","wait":"1"}', 400, 'ERR_INVALID_WAIT'],
      ['POST', '/get', '{"key":"a","wait":null}', 400, 'ERR_INVALID_WAIT'],
      ['POST', '/get', '{"key":"a","wait":-1}', 400, 'ERR_INVALID_WAIT'],
      ['POST', '/get', '{"key":"a","wait":61}', 400, 'ERR_INVALID_WAIT'],
      ['POST', '/delete', '{}', 400, 'ERR_INVALID_KEY'],
      ['GET', '/get', undefined, 400, 'ERR_INVALID_KEY'],
      ['GET', '/get?key=', undefined, 400, 'ERR_INVALID_KEY'],
      ['GET', '/get?key=a&key=b', undefined, 400, 'ERR_INVALID_KEY'],
      ['GET', '/get?key=123456789', undefined, 413, 'ERR_KEY_TOO_LARGE'],
      ['GET', '/get?key=a&wait=', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/get?key=a&wait=soon', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/get?key=a&wait=-1', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/get?key=a&wait=1e1', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/get?key=a&wait=60.1', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/get?key=a&wait=1&wait=2', undefined, 400, 'ERR_INVALID_WAIT'],
      ['GET', '/set?key=a&value=1', undefined, 405, 'ERR_METHOD_NOT_ALLOWED'],
      ['DELETE', '/get?key=a', undefined, 405, 'ERR_METHOD_NOT_ALLOWED'],
      ['GET', '/', undefined, 404, 'ERR_NO_ROUTE'],
    ] as const) {
      it(`${method} ${path} ${body?.slice(0, 40) ?? ''}: ${status} ${code}`, async () => {
        const headers = { 'content-type': 'application/json' }
        const answer = await served.ask(method, path, body === undefined ? {} : { headers, body })
        assert.deepEqual(refused(answer), [status, code])
        assert.deepEqual(told(await served.get('/status')), [200, { keys: 0, waiting: 0 }])
      })
    }

    it('a value that is nested too deeply to be written: 400; and so is such a key', async () => {
      await served.close()
      served = await serve(createApp({ clock }).app)
      // a newer engine writes whatever it can read
      for (const key of canBeWritten(deep) ? [deep] : ['"a"', deep]) {
        const answer = await served.post('/set', `{"key":${key},"value":${deep}}`)
        assert.match(String(refused(answer)), /^400,ERR_INVALID_(VALUE|KEY)$/)
      }
    })

    it('a POST that is no JSON: 415', async () => {
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await served.post('/set', 'key=a&value=1', type)
      assert.deepEqual(refused(answer), [415, 'ERR_NOT_JSON'])
    })
  })

  it('drain: all that wait are answered 503, on connections that close', async () => {
    const asking = [get('a', 10), get('b', 10), served.post('/get', { key: 'a' })]
    await waiting(3)
    const draining = store.drain()
    clock.advance(10)
    await draining
    for (const answer of await Promise.all(asking)) {
      assert.deepEqual(refused(answer), [503, 'ERR_GOING_AWAY'])
      assert.equal(answer.headers.connection, 'close')
    }
  })
})

describe('npm run key-value', () => {
  afterEach(endAll)

  it('the lines for curl do what they say; SIGTERM answers who waits, and ends with exit code 0', async function () {
    const example = run('key-value')
    const [url] = await example.prints(/http:\/\/127\.0\.0\.1:\d+/)
    await example.prints(/set\n/)
    const [hold = '', set = ''] = [...example.printed.matchAll(/^ {2}(curl .*)$/gm)].map(([, line = '']) => line)
    const held = ask(hold.slice(hold.indexOf('http'), -1))
    await askUntil(`${url}/status`, '{"keys":0,"waiting":1}')
    const shell = spawnSync('sh', ['-c', set.replace('curl', 'curl --silent')], { encoding: 'utf8' })
    if (shell.status !== 0) skip(this, 'there is no curl that knows --json')
    assert.equal(shell.stdout, '{"key":"answer","woken":1}')
    assert.equal((await held).body, '{"key":"answer","value":42}')

    const waiting = ask(`${url}/get?key=other`)
    await askUntil(`${url}/status`, '{"keys":1,"waiting":1}')
    example.signal('SIGTERM')
    const { status, connection, body } = await waiting
    assert.deepEqual([status, connection, JSON.parse(body).error.code], [503, 'close', 'ERR_GOING_AWAY'])
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })
})

function canBeWritten(json: string): boolean {
  try {
    return JSON.stringify(JSON.parse(json)) !== undefined
  } catch {
    return false
  }
}
