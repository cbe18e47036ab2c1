import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import Koa from 'koa'
import { OverloadError, qos, SuspensionLimitError } from '../../src/flow/qos.js'
import { continuations } from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { forEachKoa } from '../support/koas.js'
import { serve } from '../support/serve.js'
import { type QosScene, qosScene } from './qos-scene.js'

describe('qos()', () => {
  let stage: QosScene
  afterEach(async () => {
    await stage.end()
    assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [0, 0, 0])
  })

  it('lets maxRequests run at once; the others run as places become free, in order of arrival', async () => {
    stage = await qosScene({ maxRequests: 2 })
    const first = await stage.enter('/1')
    const second = await stage.enter('/2')
    const others = [await stage.queue('/3'), await stage.queue('/4'), await stage.queue('/5')]
    assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.qos.limit], [2, 3, 2])

    second.visit.answer()
    assert.equal((await second.asking).body, 'answer to /2')
    ;(await stage.visit('/3')).answer()
    ;(await stage.visit('/4')).answer()
    first.visit.answer()
    ;(await stage.visit('/5')).answer()
    assert.deepEqual(
      (await Promise.all(others.map(({ asking }) => asking))).map(({ body }) => body),
      ['answer to /3', 'answer to /4', 'answer to /5'],
    )
    assert.deepEqual(stage.order, ['/1', '/2', '/3', '/4', '/5'])
    assert.equal(stage.most, 2)
  })

  it('lets higher priorities go first, and within a priority in order of arrival', async () => {
    stage = await qosScene({ priority: (ctx) => Number(ctx.get('x-priority')) })
    const { visit } = await stage.enter('/first')
    const asked = ['0', '2', '-1', '1', '2', '0.5']
    const asking = []
    for (const [place, priority] of asked.entries()) {
      asking.push(await stage.queue(`/${priority}/${place}`, { 'x-priority': priority }))
    }
    visit.answer()
    const order = ['/2/1', '/2/4', '/1/3', '/0.5/5', '/0/0', '/-1/2']
    for (const path of order) (await stage.visit(path)).answer()
    await Promise.all(asking.map(({ asking }) => asking))
    assert.deepEqual(stage.order, ['/first', ...order])
  })

  it('asks for the priority once, and only of those that have to wait', async () => {
    const asked: string[] = []
    stage = await qosScene({ priority: (ctx) => asked.push(ctx.path) })
    const { visit } = await stage.enter('/1')
    await stage.queue('/2')
    visit.answer()
    await stage.visit('/2')
    assert.deepEqual(asked, ['/2'])
  })

  describe('over maxSuspended', () => {
    it('refuses at once: 503, with a Retry-After that is drawn', async () => {
      stage = await qosScene({ maxSuspended: 1 })
      await stage.enter('/1')
      await stage.queue('/2')
      const { status, headers, body } = await stage.get('/3')
      assert.deepEqual([status, headers['retry-after']], [503, '6'])
      assert.equal(body, 'Cannot hold another request: 1 is already waiting')
      assert.deepEqual([stage.qos.running, stage.qos.suspended], [1, 1])
      assert.deepEqual(
        stage.errors.map((error) => (error as SuspensionLimitError).code),
        ['ERR_SUSPENSION_LIMIT'],
      )
      assert.ok(stage.errors[0] instanceof SuspensionLimitError)
    })

    it('and over the timeout, Retry-After is at most 10, also of a source of numbers that gives 1', async () => {
      stage = await qosScene({ maxSuspended: 1, timeout: 100, random: () => 1 })
      const { visit } = await stage.enter('/1')
      const { asking } = await stage.queue('/2')
      assert.equal((await stage.get('/3')).headers['retry-after'], '10')
      stage.clock.advance(100)
      assert.equal((await asking).headers['retry-after'], '10')
      visit.answer()
    })

    it('of 0, nobody waits', async () => {
      stage = await qosScene({ maxSuspended: 0 })
      const { visit, asking } = await stage.enter('/1')
      const { status, body } = await stage.get('/2')
      assert.deepEqual([status, body], [503, 'Cannot hold another request: none may wait'])
      visit.answer()
      assert.equal((await asking).status, 200)
    })

    it('refuses the last of the lowest priority where one of a higher comes', async () => {
      stage = await qosScene({ maxSuspended: 3, priority: (ctx) => Number(ctx.get('x-priority')) })
      const { visit } = await stage.enter('/1')
      const middle = await stage.queue('/middle', { 'x-priority': '1' })
      const low = await stage.queue('/low', { 'x-priority': '0' })
      const lower = await stage.queue('/lower', { 'x-priority': '0' })
      const high = stage.get('/high', { 'x-priority': '2' })
      const refused = await lower.asking
      assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '6'])
      assert.equal((await stage.get('/as-low', { 'x-priority': '0' })).status, 503)
      assert.equal(stage.qos.suspended, 3)
      visit.answer()
      for (const path of ['/high', '/middle', '/low']) (await stage.visit(path)).answer()
      for (const asking of [high, middle.asking, low.asking]) assert.equal((await asking).status, 200)
    })
  })

  describe('timeout', () => {
    it('over it, the request is refused: 503, with Retry-After; the others wait on', async () => {
      stage = await qosScene({ timeout: 100 })
      const { visit } = await stage.enter('/1')
      const early = await stage.queue('/early')
      stage.clock.advance(60)
      const late = await stage.queue('/late')
      stage.clock.advance(39)
      await turn()
      assert.equal(stage.qos.suspended, 2)
      stage.clock.advance(1)
      const { status, headers, body } = await early.asking
      assert.deepEqual([status, headers['retry-after']], [503, '6'])
      assert.equal(body, 'Cannot serve the request: its turn has not come within 100 ms')
      const [error] = stage.errors as OverloadError[]
      assert.ok(error instanceof OverloadError)
      const { code, status: own, expose, timeout, retryAfter } = error
      assert.deepEqual([code, own, expose, timeout, retryAfter], ['ERR_OVERLOAD', 503, true, 100, 6])
      assert.equal(stage.qos.suspended, 1)
      visit.answer()
      ;(await stage.visit('/late')).answer()
      assert.equal((await late.asking).status, 200)
      assert.deepEqual(stage.order, ['/1', '/late'])
    })

    it('is 30 s by default', async () => {
      stage = await qosScene()
      await stage.enter('/1')
      await stage.queue('/2')
      assert.equal(stage.clock.next, 30_000)
    })

    for (const timeout of [0, Number.POSITIVE_INFINITY]) {
      it(`of ${timeout}: for ever`, async () => {
        stage = await qosScene({ timeout })
        await stage.enter('/1')
        await stage.queue('/2')
        assert.equal(stage.clock.timers, 0)
      })
    }
  })

  it('a client that leaves gives its place in the line up, at once', async () => {
    stage = await qosScene({ maxSuspended: 2 })
    const { visit } = await stage.enter('/1')
    const gone = await stage.queue('/2')
    const stays = await stage.queue('/3')
    gone.asking.request.destroy()
    await until(() => stage.qos.suspended === 1)
    const next = await stage.queue('/4')
    visit.answer()
    ;(await stage.visit('/3')).answer()
    ;(await stage.visit('/4')).answer()
    assert.deepEqual([(await stays.asking).status, (await next.asking).status], [200, 200])
    assert.deepEqual(stage.order, ['/1', '/3', '/4'])
  })

  it('prints who runs and who waits', async () => {
    stage = await qosScene({ maxRequests: 1, priority: () => 3 })
    await stage.enter('/1')
    await stage.queue('/2?a=b')
    const printed = inspect(stage.qos, { depth: 4 })
    assert.match(printed, /^Qos \{\s+running: 1,\s+limit: 1,\s+suspended: 1,\s+arriving: 0,/)
    assert.match(
      printed,
      /request: 'GET \/2',\s+priority: 3,\s+since: 1970-01-01T00:16:40.000Z,\s+until: 1970-01-01T00:17:10.000Z/,
    )
  })

  it('one qos at several places has one number of places, and a request takes one of them', async () => {
    stage = await qosScene({}, (app, qos, handler) => {
      app.use(qos)
      app.use((ctx, next) => qos(ctx, next))
      app.use(handler)
    })
    const { visit, asking } = await stage.enter('/1')
    const second = await stage.queue('/2')
    assert.equal(stage.qos.running, 1)
    visit.answer()
    ;(await stage.visit('/2')).answer()
    assert.deepEqual([(await asking).status, (await second.asking).status], [200, 200])
  })
})

describe('qos() in an app that knows nothing of it', () => {
  forEachKoa((_, Koa) => {
    for (const [where, boundary] of [
      ['no boundary', undefined],
      ['a boundary above', 'above'],
      ['a boundary below', 'below'],
    ] as const) {
      it(`with ${where}: who had to wait is answered like who had not`, async () => {
        const limit = qos({ maxRequests: 1 })
        const seen: unknown[] = []
        let open = (): void => {}
        const opened = new Promise<void>((resolve) => {
          open = resolve
        })
        const app = new Koa()
        if (boundary === 'above') app.use(continuations())
        app.use(limit)
        if (boundary === 'below') app.use(continuations())
        app.use(async (ctx) => {
          if (boundary !== undefined) {
            const { continuation } = ctx
            seen.push([
              continuation.isInitial(),
              continuation.isResumed(),
              continuation.isExpired(),
              continuation.phase,
            ])
          }
          await opened
          ctx.status = 201
          ctx.set('X-Own', 'yes')
          ctx.body = { path: ctx.path }
        })
        const served = await serve(app)
        const first = served.get('/')
        await until(() => limit.running === 1)
        const second = served.get('/')
        await until(() => limit.suspended === 1)
        open()
        const [one, other] = await Promise.all([first, second])
        assert.deepEqual(
          { ...one, headers: { ...one.headers, date: '' } },
          { ...other, headers: { ...other.headers, date: '' } },
        )
        assert.equal(one.status, 201)
        assert.deepEqual(seen, boundary === undefined ? [] : Array(2).fill([true, false, false, 'dispatched']))
        assert.deepEqual(served.errors, [])
        await served.close()
      })
    }
  })
})

describe('the options of qos()', () => {
  for (const [options, message] of [
    [{ maxRequest: 1 }, /has no option maxRequest/],
    [{ maxRequests: '1' }, /maxRequests must be a number/],
    [{ maxSuspended: null }, /maxSuspended must be a number/],
    [{ timeout: '5s' }, /timeout must be a number/],
    [{ priority: 1 }, /priority must be a function/],
    [{ awaitBody: 1 }, /awaitBody must be true or false/],
    [{ maxRequests: { min: 1 } }, /maxRequests.adaptive must be true/],
    [{ maxRequests: { adaptive: true, min: 5n } }, /maxRequests.min must be a number/],
    [{ maxRequests: { adaptive: true, max: Symbol('many') } }, /maxRequests.max must be a number/],
    [{ maxRequests: { adaptive: true, minimum: 1 } }, /maxRequests has no option minimum/],
    [{ random: 1 }, /random must be a function/],
    ['10', /The options of qos\(\) must be an object/],
  ] as const) {
    it(`${inspect(options)}: TypeError`, () => {
      assert.throws(() => qos(options as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION', message })
    })
  }
  for (const options of [
    { maxRequests: 0 },
    { maxRequests: 1.5 },
    { maxSuspended: -1 },
    { maxRequests: { adaptive: true, min: 0 } },
    { maxRequests: { adaptive: true, min: 5, max: 4 } },
    { maxRequests: { adaptive: true, min: 5, max: 10, initial: 11 } },
  ] as const) {
    it(`${inspect(options)}: RangeError`, () => {
      assert.throws(() => qos(options), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
    })
  }

  it('none are needed: 10 run', () => assert.equal(qos().limit, 10))
  it('Infinity runs all', () =>
    assert.equal(qos({ maxRequests: Number.POSITIVE_INFINITY }).limit, Number.POSITIVE_INFINITY))
  it('adaptive begins at 20, within its bounds', () => {
    const initial = (bounds: object) => qos({ maxRequests: { adaptive: true, ...bounds } })
    // half of it at first, to measure
    assert.equal(initial({}).limit, 10)
    assert.equal(initial({ max: 8 }).limit, 4)
    assert.equal(initial({ min: 50 }).limit, 50)
    assert.equal(initial({ initial: 100 }).limit, 50)
  })
  it('is a Koa middleware', () => void new Koa().use(qos()))
})
