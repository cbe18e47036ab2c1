import assert from 'node:assert/strict'
import Koa from 'koa'
import { ContinuationManager, type ContinuationsOptions, continuations, suspendable } from '../../src/index.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { scene } from '../support/scene.js'
import { type Served, serve } from '../support/serve.js'

const invalid = (name: string) => (error: unknown) =>
  error instanceof Error &&
  (error instanceof TypeError ? 'TypeError' : 'RangeError') === name &&
  (error as { code?: string }).code === 'ERR_INVALID_OPTION'

describe('options by name', () => {
  const wrongTypes: Record<string, unknown>[] = [
    { timeout: '30s' },
    { timeout: Number.NaN },
    { jitter: '10%' },
    { maxDispatches: '5' },
    { limits: 5 },
    { limits: { total: '5' } },
    { limits: { perKey: 5 } },
    { clientId: 'ip' },
    { budget: null },
    { random: 0.5 },
    { clock: Date },
    { clock: null },
    { timeOut: 5 },
  ]
  const outOfRange: Record<string, unknown>[] = [
    { jitter: 1.5 },
    { jitter: -0.1 },
    { maxDispatches: 0 },
    { maxDispatches: 1.5 },
    { limits: { total: -1 } },
    { limits: { perClient: 1.5 } },
    { budget: -1 },
  ]
  for (const options of wrongTypes) {
    it(`continuations(${JSON.stringify(options)}): TypeError, ERR_INVALID_OPTION`, () => {
      assert.throws(() => continuations(options as ContinuationsOptions), invalid('TypeError'))
    })
  }
  for (const options of outOfRange) {
    it(`continuations(${JSON.stringify(options)}): RangeError, ERR_INVALID_OPTION`, () => {
      assert.throws(() => continuations(options as ContinuationsOptions), invalid('RangeError'))
    })
  }

  for (const name of ['now', 'setTimeout', 'clearTimeout', 'nextTurn', 'afterJobs'] as const) {
    it(`a clock without ${name}: TypeError that names what a clock has`, () => {
      const clock = Object.assign(new ManualClock(), { [name]: undefined }) as unknown as ManualClock
      assert.throws(() => continuations({ clock }), {
        code: 'ERR_INVALID_OPTION',
        message: /^clock must be a clock, with now, setTimeout, clearTimeout, nextTurn, afterJobs: got/,
      })
    })
  }

  it('continuations() of no object: TypeError', () => {
    for (const options of [null, 5, 'timeout', []]) {
      assert.throws(() => continuations(options as ContinuationsOptions), invalid('TypeError'))
    }
  })

  it('an option that is undefined has its default', () => {
    continuations({ timeout: undefined, limits: { total: undefined } })
    new ContinuationManager({ limits: undefined, second: undefined })
  })

  it('suspendable() without middleware, or of what is no function: TypeError', () => {
    assert.throws(() => suspendable(), invalid('TypeError'))
    assert.throws(() => suspendable({} as Koa.Middleware), invalid('TypeError'))
  })

  it('new ContinuationManager() refuses what it does not know', () => {
    for (const options of [null, { limit: 5 }, { second: 'first' }, { limits: { perIp: 5 } }, { clientId: 5 }]) {
      assert.throws(() => new ContinuationManager(options as object), invalid('TypeError'))
    }
    assert.throws(() => new ContinuationManager({ limits: { total: -1 } }), invalid('RangeError'))
  })

  it('timeout: 30 000 ms when nobody says otherwise; continuations({ timeout }) sets another', async () => {
    for (const [options, expected] of [
      [{}, 30_000],
      [{ timeout: 1_234 }, 1_234],
    ] as const) {
      const stage = await scene((ctx) => ctx.continuation.suspend(), options)
      const { asking, continuation } = await stage.park()
      assert.equal(stage.clock.next, expected)
      continuation.complete()
      await asking
      await stage.close()
    }
  })

  for (const timeout of [0, -1, Number.POSITIVE_INFINITY]) {
    it(`timeout: ${timeout} never expires`, async () => {
      const stage = await scene((ctx) => ctx.continuation.suspend(), { timeout })
      const { asking, continuation } = await stage.park()
      assert.equal(stage.clock.timers, 0)
      continuation.complete()
      await asking
      await stage.close()
    })
  }

  it('jitter: a random share of the timeout is taken off', async () => {
    const stage = await scene((ctx) => ctx.continuation.suspend(), { timeout: 1_000, jitter: 0.2, random: () => 0.5 })
    const { asking, continuation } = await stage.park()
    assert.equal(stage.clock.next, 900)
    continuation.complete()
    await asking
    await stage.close()
  })

  describe('limits', () => {
    let served: Served
    let clients: ContinuationManager
    beforeEach(() => {
      clients = new ContinuationManager()
    })
    afterEach(() => served.close())

    async function app(options: ContinuationsOptions, prepare: (app: Koa) => void = () => {}): Promise<void> {
      const app = new Koa()
      prepare(app)
      app.use(continuations({ random: () => 0.35, clock: new ManualClock(), ...options }))
      app.use((ctx) => {
        if (!ctx.continuation.isInitial()) {
          ctx.body = 'done'
          return
        }
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      served = await serve(app)
    }

    async function hold(count: number, headers: Record<string, string> = {}) {
      const before = clients.size
      const asking = Array.from({ length: count }, () => served.get('/', headers))
      await until(() => clients.size === before + count)
      return asking
    }

    it('total: over it suspend() throws, and the client gets 503 with a jittered Retry-After', async () => {
      await app({ limits: { total: 2 } })
      const held = await hold(2)
      const refused = await served.get('/')
      assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '4'])
      assert.equal(refused.body, 'Cannot hold another request: 2 are already waiting')
      assert.equal(clients.size, 2)
      clients.broadcast()
      await Promise.all(held)
      await hold(2)
    })

    it('what ends for any reason makes room', async () => {
      await app({ limits: { total: 1 } })
      const [left] = await hold(1)
      left?.request.destroy()
      await until(() => clients.size === 0)
      await hold(1)
      clients.complete()
      await hold(1)
      clients.fail(undefined, Object.assign(new Error(), { expose: true }))
      await hold(1)
    })

    it('perClient: counts by clientId; undefined is not counted', async () => {
      await app({ limits: { perClient: 1 }, clientId: (ctx) => ctx.get('x-client') || undefined })
      await hold(1, { 'x-client': 'ann' })
      assert.equal((await served.get('/', { 'x-client': 'ann' })).status, 503)
      await hold(1, { 'x-client': 'bob' })
      await hold(3)
    })

    it('perClient by default: leaves loopback and private addresses out while app.proxy is off', async () => {
      await app({ limits: { perClient: 1 } })
      await hold(3)
    })

    it('perClient by default: with app.proxy on, counts what the proxy says', async () => {
      await app({ limits: { perClient: 1 } }, (app) => {
        app.proxy = true
      })
      await hold(1, { 'x-forwarded-for': '10.1.2.3' })
      assert.equal((await served.get('/', { 'x-forwarded-for': '10.1.2.3' })).status, 503)
      await hold(1, { 'x-forwarded-for': '203.0.113.9' })
    })
  })
})
