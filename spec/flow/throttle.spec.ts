import assert from 'node:assert/strict'
import { Agent, type ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import Koa from 'koa'
import { RateLimitError, type Throttle, type ThrottleOptions, throttle } from '../../src/flow/throttle.js'
import { ContinuationManager, continuations, suspendable } from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { forEachKoa } from '../support/koas.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'

const by = (ctx: Koa.Context): string => ctx.get('x-client') || 'somebody'

describe('throttle()', () => {
  let clock: ManualClock
  let limit: Throttle
  let served: Served
  let ran: string[]
  beforeEach(() => {
    clock = new ManualClock()
    ran = []
  })
  afterEach(async () => {
    await served.close()
    assert.deepEqual([limit.delayed, clock.timers], [0, 0])
  })

  const start = async (options: ThrottleOptions = {}): Promise<void> => {
    limit = throttle({ rate: 2, burst: 3, penalty: 0, clock, clientId: by, ...options })
    served = await serve(
      new Koa().use(limit).use((ctx) => {
        ran.push(ctx.path)
        ctx.body = 'fine'
      }),
    )
  }

  it('serves a burst at once, and then as many as the rate allows: each is put off until its time has come', async () => {
    await start()
    for (let n = 0; n < 3; n++) assert.equal((await served.get('/burst')).status, 200)
    const fourth = served.get('/4')
    await until(() => limit.delayed === 1)
    const fifth = served.get('/5')
    await until(() => limit.delayed === 2)
    clock.advance(499)
    await turn()
    assert.equal(limit.delayed, 2)
    clock.advance(1)
    assert.equal((await fourth).status, 200)
    assert.equal(limit.delayed, 1)
    clock.advance(500)
    assert.equal((await fifth).status, 200)
    assert.deepEqual(ran, ['/burst', '/burst', '/burst', '/4', '/5'])
  })

  describe('drain', () => {
    const own = { delay: 60_000, penalty: 1_000, rate: 0.1, burst: 1 }

    it('who is put off is served when its time has come; nobody new is put off, or held back', async () => {
      await start(own)
      await served.get('/first')
      const second = served.get('/second')
      await until(() => limit.delayed === 1)
      clock.advance(5_000)
      const drained = limit.drain({ timeout: 10_000 })
      const third = await served.get('/third')
      assert.deepEqual([third.status, third.body], [503, 'Cannot hold this request: the server is going away'])
      for (let n = 0; n < 6; n++) await served.get('/more')
      assert.equal((await served.get('/refused')).status, 429)
      assert.equal(limit.delayed, 1)
      clock.advance(5_000)
      const { status, headers } = await second
      assert.deepEqual([status, headers.connection], [200, 'close'])
      assert.deepEqual(await drained, { held: 1, failed: 0 })
    })

    it('what end decides is not the end of one whose time to be served has come', async () => {
      await start(own)
      await served.get('/first')
      const second = served.get('/second')
      await until(() => limit.delayed === 1)
      clock.advance(5_000)
      const drained = limit.drain({ timeout: 10_000, end: (continuation) => continuation.complete() })
      clock.advance(5_000)
      assert.equal((await second).status, 200)
      assert.deepEqual(await drained, { held: 1, failed: 0 })
    })

    it('who waits shortly before the timeout is refused', async () => {
      await start(own)
      await served.get('/first')
      const second = served.get('/second')
      await until(() => limit.delayed === 1)
      const drained = limit.drain({ timeout: 5_000 })
      clock.advance(4_499)
      assert.equal(limit.delayed, 1)
      clock.advance(1)
      const { status, headers } = await second
      assert.deepEqual([status, typeof headers['retry-after']], [503, 'string'])
      assert.deepEqual(await drained, { held: 1, failed: 1 })
    })

    it('who is served is served, and its connection closes', async () => {
      await start()
      await limit.drain()
      const agent = new Agent({ keepAlive: true })
      const { status, headers } = await served.ask('GET', '/', { agent })
      assert.deepEqual([status, headers.connection], [200, 'close'])
    })

    it('wrong options: an error with a code, and it goes on', async () => {
      await start(own)
      await assert.rejects(limit.drain({ timeout: 0 }), { code: 'ERR_INVALID_OPTION' })
      await served.get('/first')
      const second = served.get('/second')
      await until(() => limit.delayed === 1)
      clock.advance(10_000)
      assert.equal((await second).status, 200)
    })
  })

  it('refuses what would have to wait longer than delay: 429, Retry-After in whole seconds', async () => {
    await start({ delay: 500 })
    for (let n = 0; n < 3; n++) await served.get('/')
    const put = served.get('/')
    await until(() => limit.delayed === 1)
    const { status, headers, body } = await served.get('/refused')
    assert.deepEqual([status, headers['retry-after']], [429, '1'])
    assert.equal(body, 'Too many requests: 2 a second are served to one client')
    const [error] = served.errors as RateLimitError[]
    assert.ok(error instanceof RateLimitError)
    assert.deepEqual(
      [error.code, error.status, error.expose, error.retryAfter, error.rate],
      ['ERR_RATE_LIMIT', 429, true, 1, 2],
    )
    clock.advance(500)
    assert.equal((await put).status, 200)
    assert.equal(ran.length, 4)
  })

  it('a refusal uses nothing up: who comes when it was told to is served', async () => {
    await start({ rate: 1 / 60, burst: 1, delay: 0 })
    assert.equal((await served.get('/')).status, 200)
    for (let n = 0; n < 5; n++) assert.equal((await served.get('/')).headers['retry-after'], '60')
    clock.advance(59_999)
    assert.equal((await served.get('/')).headers['retry-after'], '1')
    clock.advance(1)
    assert.equal((await served.get('/')).status, 200)
  })

  it('counts each client by itself; nobody, where the client is undefined', async () => {
    await start({ delay: 0, clientId: (ctx) => ctx.get('x-client') || undefined })
    const statuses = async (client: string): Promise<number[]> => {
      const all = []
      for (let n = 0; n < 4; n++) all.push((await served.get('/', client ? { 'x-client': client } : {})).status)
      return all
    }
    assert.deepEqual(await statuses('a'), [200, 200, 200, 429])
    assert.deepEqual(await statuses('b'), [200, 200, 200, 429])
    assert.deepEqual(await statuses(''), [200, 200, 200, 200])
    assert.equal(limit.clients, 2)
  })

  it('holds a refusal back for the penalty, and then says how things stand', async () => {
    await start({ rate: 0.5, delay: 0, penalty: 1_500 })
    for (let n = 0; n < 3; n++) await served.get('/')
    const refused = served.get('/refused')
    await until(() => limit.delayed === 1)
    clock.advance(1_499)
    await turn()
    assert.equal(limit.delayed, 1)
    clock.advance(1)
    const { status, headers } = await refused
    assert.deepEqual([status, headers['retry-after'], headers['ratelimit']], [429, '1', '"default";r=0;t=1'])
    const later = served.get('/refused')
    await until(() => limit.delayed === 1)
    clock.advance(1_500)
    // by now there would be a token
    assert.deepEqual([(await later).status, (await later).headers['retry-after']], [429, '1'])
    assert.equal((await served.get('/')).status, 200)
    assert.deepEqual(ran, ['/', '/', '/', '/'])
  })

  it('by default that is a second; a client that leaves meanwhile is forgotten', async () => {
    await start({ delay: 0, penalty: undefined })
    for (let n = 0; n < 3; n++) await served.get('/')
    const refused = served.get('/')
    await until(() => limit.delayed === 1)
    assert.equal(clock.next, 1_000)
    refused.request.destroy()
    await until(() => limit.delayed === 0)
    assert.deepEqual(served.errors, [])
  })

  it('holds back no more refusals than maxDelayed', async () => {
    await start({ delay: 0, penalty: 100, maxDelayed: 1 })
    for (let n = 0; n < 3; n++) await served.get('/')
    const held = served.get('/')
    await until(() => limit.delayed === 1)
    assert.equal((await served.get('/')).status, 429)
    clock.advance(100)
    assert.equal((await held).status, 429)
  })

  it('puts no more than maxDelayed off; it refuses them', async () => {
    await start({ maxDelayed: 1 })
    for (const client of ['a', 'b']) for (let n = 0; n < 3; n++) await served.get('/', { 'x-client': client })
    const put = served.get('/', { 'x-client': 'a' })
    await until(() => limit.delayed === 1)
    assert.equal((await served.get('/', { 'x-client': 'b' })).status, 429)
    clock.advance(500)
    assert.equal((await put).status, 200)
  })

  it('a client that leaves while it is put off is forgotten, but has used what it asked for', async () => {
    await start()
    for (let n = 0; n < 3; n++) await served.get('/')
    const gone = served.get('/gone')
    await until(() => limit.delayed === 1)
    gone.request.destroy()
    await until(() => limit.delayed === 0)
    const next = served.get('/next')
    await until(() => limit.delayed === 1)
    assert.equal(clock.next, 1_000)
    clock.advance(1_000)
    await next
    assert.ok(!ran.includes('/gone'))
  })

  it('a client that leaves in the moment in which its time has come is not served', async () => {
    await start()
    for (let n = 0; n < 3; n++) await served.get('/')
    let response: ServerResponse | undefined
    served.server.once('request', (_, res) => {
      response = res
    })
    const gone = served.get('/gone')
    await until(() => limit.delayed === 1)
    const moments: (() => void)[] = []
    const { afterJobs } = clock
    clock.afterJobs = (go) => moments.push(go)
    clock.advance(500)
    assert.equal(moments.length, 1)
    clock.afterJobs = afterJobs
    gone.request.destroy()
    await until(() => response?.destroyed === true)
    for (const go of moments) go()
    await until(() => limit.delayed === 0)
    await turn()
    assert.ok(!ran.includes('/gone'))
  })

  it('refuses where clientId throws or answers no name, with an error of that', async () => {
    await start({
      clientId(ctx) {
        if (ctx.path === '/throws') throw new Error('who is it?')
        return 5 as never
      },
    })
    assert.equal((await served.get('/throws')).status, 500)
    assert.equal((await served.get('/')).status, 500)
    assert.deepEqual(
      served.errors.map(({ message }) => message),
      ['who is it?', 'What clientId answers must be a string or undefined: got 5'],
    )
    assert.deepEqual(ran, [])
  })

  for (const above of [false, true]) {
    it(`counts a request once that comes by twice, ${above ? 'with a' : 'without any'} boundary above`, async () => {
      limit = throttle({ rate: 1, burst: 4, delay: 0, penalty: 0, clock, clientId: by })
      const app = new Koa()
      if (above) app.use(continuations())
      served = await serve(
        app
          .use(limit)
          .use(limit)
          .use((ctx) => {
            ctx.body = 'fine'
          }),
      )
      for (const left of [3, 2]) {
        const { status, headers } = await served.get('/')
        assert.deepEqual([status, headers['ratelimit']], [200, `"default";r=${left};t=${left}`])
      }
    })
  }

  it('prints how it stands', async () => {
    await start()
    await served.get('/')
    assert.equal(inspect(limit), 'Throttle { rate: 2, burst: 3, delayed: 0, clients: 1 }')
  })

  describe('the RateLimit fields', () => {
    const fields = async (path = '/'): Promise<unknown[]> => {
      const { headers } = await served.get(path)
      return [headers['ratelimit-policy'], headers['ratelimit'], headers['retry-after']]
    }

    it('say in each response what is left, and in how many seconds it may be used', async () => {
      await start({ rate: 0.5, burst: 4, delay: 0 })
      const policy = '"default";q=4;w=8'
      assert.deepEqual(await fields(), [policy, '"default";r=3;t=6', undefined])
      assert.deepEqual(await fields(), [policy, '"default";r=2;t=4', undefined])
      assert.deepEqual(await fields(), [policy, '"default";r=1;t=2', undefined])
      assert.deepEqual(await fields(), [policy, '"default";r=0;t=2', undefined])
      assert.deepEqual(await fields(), [policy, '"default";r=0;t=2', '2'])
      clock.advance(1_500)
      assert.deepEqual(await fields(), [policy, '"default";r=0;t=1', '1'])
    })

    it('have the name of the policy, as a string of a structured field', async () => {
      await start({ policy: 'the "best" \\ policy' })
      assert.deepEqual(await fields(), [
        '"the \\"best\\" \\\\ policy";q=3;w=2',
        '"the \\"best\\" \\\\ policy";r=2;t=1',
        undefined,
      ])
    })

    it('are left out with policy: false; Retry-After is there', async () => {
      await start({ policy: false, burst: 1, delay: 0 })
      assert.deepEqual(await fields(), [undefined, undefined, undefined])
      assert.deepEqual(await fields(), [undefined, undefined, '1'])
    })

    it('say of a request that was put off how things stand when it is answered', async () => {
      await start({ rate: 1, burst: 1, delay: 4_000 })
      const asking = []
      for (let delayed = -1; delayed < 3; delayed++) {
        asking.push(fields())
        await until(() => limit.delayed === Math.max(0, delayed + 1) && ran.length === 1)
      }
      const policy = '"default";q=1;w=1'
      assert.deepEqual(await asking[0], [policy, '"default";r=0;t=1', undefined])
      for (const [place, left] of [3, 2, 1].entries()) {
        clock.advance(1_000)
        assert.deepEqual(await asking[place + 1], [policy, `"default";r=0;t=${left}`, undefined])
      }
    })

    describe('of an answer that is an error', () => {
      const policy = '"default";q=3;w=2'
      const throwing = async (thrown: () => unknown, above?: Koa.Middleware): Promise<void> => {
        limit = throttle({ rate: 2, burst: 3, clock, clientId: by })
        const app = new Koa()
        if (above !== undefined) app.use(above)
        app.use(limit).use(() => {
          throw thrown()
        })
        served = await serve(app)
      }

      it('are those of any other', async () => {
        await throwing(() => new Error('thrown'))
        assert.deepEqual(await fields(), [policy, '"default";r=2;t=1', undefined])
        assert.deepEqual(await fields(), [policy, '"default";r=1;t=1', undefined])
        assert.ok(!Object.keys(served.errors[0] as Error).includes('headers'))
      })

      it('stand beside the headers that it has, and take the place of none', async () => {
        const headers = { 'Retry-After': '7', ratelimit: '"mine";r=5' }
        await throwing(() => Object.assign(new Error('thrown'), { status: 503, headers }))
        assert.deepEqual(await fields(), [policy, '"mine";r=5', '7'])
        assert.deepEqual(Object.keys(headers), ['Retry-After', 'ratelimit'])
      })

      it('are each request’s own where the same error is thrown again and again', async () => {
        const error = Object.assign(new Error('thrown'), { status: 404 })
        await throwing(() => error)
        assert.deepEqual(await fields(), [policy, '"default";r=2;t=1', undefined])
        assert.deepEqual(await fields(), [policy, '"default";r=1;t=1', undefined])
      })

      it('are those of all limits that it comes through', async () => {
        await throwing(() => new Error('thrown'), throttle({ rate: 10, clock, clientId: () => 'all', policy: 'outer' }))
        assert.deepEqual(await fields(), [
          `"outer";q=10;w=1, ${policy}`,
          '"outer";r=9;t=1, "default";r=2;t=1',
          undefined,
        ])
      })

      for (const [what, thrown] of Object.entries({
        'a frozen one': Object.freeze(Object.assign(new Error('thrown'), { status: 404 })),
        'one with other headers': Object.assign(new Error('thrown'), {
          headers: new Headers({ 'x-powered-by': 'it' }),
        }),
        'no error': 'thrown',
        'no error, but an object': { status: 404 },
      })) {
        it(`are left out where they cannot be put: ${what}`, async () => {
          let passed: unknown
          const { headers } = Object(thrown) as { headers?: unknown }
          await throwing(
            () => thrown,
            async (ctx, next) => {
              try {
                await next()
              } catch (error) {
                passed = error
                ctx.body = 'caught'
              }
            },
          )
          assert.equal((await served.get('/')).body, 'caught')
          assert.equal(passed, thrown)
          assert.equal((Object(thrown) as { headers?: unknown }).headers, headers)
        })
      }
    })

    it('of several limits stand beside each other', async () => {
      limit = throttle({ rate: 1, burst: 1, delay: 0, penalty: 0, clock, clientId: () => 'all', policy: 'inner' })
      const outer = throttle({ rate: 10, clock, clientId: () => 'all', policy: 'outer' })
      served = await serve(
        new Koa()
          .use(outer)
          .use(limit)
          .use((ctx) => {
            ctx.body = 'fine'
          }),
      )
      const policies = '"outer";q=10;w=1, "inner";q=1;w=1'
      assert.deepEqual(await fields(), [policies, '"outer";r=9;t=1, "inner";r=0;t=1', undefined])
      assert.deepEqual(await fields(), [policies, '"outer";r=8;t=1, "inner";r=0;t=1', '1'])
    })
  })
})

describe('throttle() by default', () => {
  const statuses = async (app: Koa, headers: Record<string, string>[]): Promise<number[]> => {
    const served = await serve(app)
    const all = []
    for (const each of headers) all.push((await served.get('/', each)).status)
    await served.close()
    return all
  }
  const fine: Koa.Middleware = (ctx) => {
    ctx.body = 'fine'
  }

  it('lets local addresses through, which are a proxy', async () => {
    const limit = throttle({ rate: 1, burst: 1, delay: 0, penalty: 0, clock: new ManualClock() })
    assert.deepEqual(await statuses(new Koa().use(limit).use(fine), [{}, {}]), [200, 200])
    assert.equal(limit.clients, 0)
  })

  it('counts who stands behind a proxy that the app trusts; of IPv6 the network', async () => {
    const app = new Koa()
    app.proxy = true
    app.use(throttle({ rate: 1, burst: 1, delay: 0, penalty: 0, clock: new ManualClock() })).use(fine)
    const from = ['192.0.2.1', '192.0.2.1', '192.0.2.2', '2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:3::2']
    const headers = from.map((address) => ({ 'x-forwarded-for': address }))
    assert.deepEqual(await statuses(app, headers), [200, 429, 200, 200, 429, 200])
  })

  it('takes 25 requests a second, of each client', async () => {
    const app = new Koa()
    app.proxy = true
    app.use(throttle({ delay: 0, penalty: 0, clock: new ManualClock() })).use(fine)
    const all = await statuses(app, Array(26).fill({ 'x-forwarded-for': '192.0.2.1' }))
    assert.deepEqual([all.indexOf(429), all.length], [25, 26])
  })
})

describe('throttle() and requests that are dispatched again', () => {
  forEachKoa((_, Koa) => {
    for (const below of [false, true]) {
      it(`counts them once, the boundary ${below ? 'below' : 'above'}`, async () => {
        const limit = throttle({
          rate: 1,
          burst: 2,
          delay: 0,
          penalty: 0,
          clock: new ManualClock(),
          clientId: () => 'one',
        })
        const clients = new ContinuationManager()
        const held = suspendable((ctx) => {
          if (ctx.continuation.isInitial()) {
            ctx.continuation.suspend()
            clients.stash(ctx.continuation)
          } else ctx.body = 'again'
        })
        const app = new Koa()
        if (!below) app.use(continuations())
        app.use(limit)
        app.use(
          below
            ? held
            : (ctx, next) => {
                if (!ctx.continuation.isInitial()) return next()
                ctx.continuation.suspend()
                clients.stash(ctx.continuation)
                return undefined
              },
        )
        app.use((ctx) => {
          ctx.body = 'again'
        })
        const served = await serve(app)
        for (const left of ['1', '0']) {
          const asking = served.get('/')
          await until(() => clients.resume() === 1)
          const { status, headers, body } = await asking
          assert.deepEqual([status, body, headers['ratelimit']], [200, 'again', `"default";r=${left};t=1`])
        }
        assert.equal((await served.get('/')).status, 429)
        await served.close()
      })
    }
  })
})

describe('the options of throttle()', () => {
  for (const options of [
    { rates: 1 },
    { rate: '1' },
    { burst: null },
    { delay: '1s' },
    { penalty: '1s' },
    { clientId: 'ip' },
    { policy: 5 },
    { policy: 'grüße' },
    { policy: true },
    null,
  ]) {
    it(`${inspect(options)}: TypeError`, () => {
      assert.throws(() => throttle(options as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
    })
  }
  for (const options of [
    { rate: 0 },
    { rate: Number.POSITIVE_INFINITY },
    { burst: 0 },
    { burst: Number.POSITIVE_INFINITY },
    { burst: 1.5 },
    { delay: -1 },
    { penalty: -1 },
    { maxDelayed: -1 },
    { maxClients: 1 },
  ]) {
    it(`${inspect(options)}: RangeError`, () => {
      assert.throws(() => throttle(options), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
    })
  }

  it('what is wrong is said in numbers that one would write', () => {
    assert.throws(() => throttle({ rate: 0 }), { message: 'rate must be above 0, and finite: got 0' })
  })
})
