import assert from 'node:assert/strict'
import { threadId } from 'node:worker_threads'
import { createApp, type HashingApp } from '../../examples/offload/app.js'
import { hashOf } from '../../examples/offload/hash.js'
import { until } from '../support/gate.js'
import { type Answer, type Served, serve } from '../support/serve.js'
import { ask, endAll, run } from './run-example.js'

describe('the offload example', () => {
  let hashing: HashingApp
  let served: Served

  const pool = { execArgv: ['--require', 'tsx/cjs'] }
  before(async () => {
    // one thread for all of them: it takes a while to begin
    hashing = createApp({ threads: 1, maxWaiting: 0, patience: 0, pool })
    served = await serve(hashing.app)
  })
  after(async () => {
    await served.close()
    await hashing.hashing.close()
  })
  afterEach(() => {
    endAll()
    assert.deepEqual(served.errors, [])
  })

  const told = ({ status, body }: Answer): [number, Record<string, unknown>] => [status, JSON.parse(body)]
  const refused = ({ status, body }: Answer): unknown[] => [status, JSON.parse(body).error.code]

  for (const path of ['/hash', '/hash/awaited', '/hash/blocking']) {
    it(`${path}: the hash of the password, with a salt of its own`, async () => {
      const salts = []
      for (let time = 0; time < 2; time++) {
        const [status, { hash, salt, rounds, thread }] = told(await served.post(path, { password: 'grüße', rounds: 2 }))
        assert.deepEqual([status, rounds], [200, 2])
        assert.equal(hash, hashOf('grüße', salt as string, 2))
        assert.equal(thread === threadId, path === '/hash/blocking')
        salts.push(salt)
      }
      assert.notEqual(salts[0], salts[1])
    })
  }

  it('others are answered while it hashes; no room: 503; a client that leaves takes its hash along', async () => {
    const asking = served.post('/hash', { password: 'secret', rounds: 1_000 })
    await until(() => hashing.hashing.stats().running === 1)
    assert.deepEqual(told(await served.get('/probe'))[1]['hashing'], { running: 1, waiting: 0, abandoned: 0 })
    const full = await served.post('/hash', { password: 'secret' })
    assert.deepEqual(refused(full), [503, 'ERR_LANE_FULL'])
    assert.match(String(full.headers['retry-after']), /^([1-9]|10)$/)
    asking.request.destroy()
    await until(() => hashing.hashing.stats().running === 0)
  })

  it('what the thread refuses, the client is told by its status', async () => {
    for (const path of ['/hash', '/hash/awaited', '/hash/blocking']) {
      assert.deepEqual(refused(await served.post(path, { password: 'letmein' })), [422, 'ERR_COMMON_PASSWORD'])
    }
  })

  for (const [body, status, code] of [
    ['{', 400, 'ERR_INVALID_BODY'],
    ['{}', 400, 'ERR_INVALID_PASSWORD'],
    ['{"password":""}', 400, 'ERR_INVALID_PASSWORD'],
    ['{"password":7}', 400, 'ERR_INVALID_PASSWORD'],
    ['{"password":"x","rounds":0}', 400, 'ERR_INVALID_ROUNDS'],
    ['{"password":"x","rounds":1001}', 400, 'ERR_INVALID_ROUNDS'],
    ['{"password":"x","rounds":"4"}', 400, 'ERR_INVALID_ROUNDS'],
    [`{"password":"${'x'.repeat(5_000)}"}`, 413, 'ERR_TOO_LARGE'],
  ] as const) {
    it(`${body.slice(0, 40)}: ${status} ${code}`, async () => {
      assert.deepEqual(refused(await served.post('/hash', body)), [status, code])
    })
  }

  it('no such path: 404, no such method: 405', async () => {
    assert.deepEqual(refused(await served.get('/')), [404, 'ERR_NO_ROUTE'])
    assert.deepEqual(refused(await served.get('/hash')), [405, 'ERR_METHOD_NOT_ALLOWED'])
  })

  it('npm run offload: says where it is, hashes, and ends, with a hash under way', async function () {
    this.timeout(60_000)
    const example = run('offload')
    const [, url] = await example.prints(/listens on (\S+)/)
    const headers = { 'content-type': 'application/json' }
    const hash = (rounds: number) =>
      ask(`${url}/hash`, { method: 'POST', headers, body: JSON.stringify({ password: 'secret', rounds }) })
    assert.equal((await hash(1)).status, 200)
    const held = hash(20)
    for (;;) {
      if (JSON.parse((await ask(`${url}/probe`)).body).hashing.running === 1) break
    }
    example.signal('SIGTERM')
    const { status, connection } = await held
    // the hash was done before its turn to go home had come, or it was not
    assert.ok(status === 200 || status === 503, String(status))
    assert.equal(connection, 'close')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })
})
