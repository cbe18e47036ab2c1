import assert from 'node:assert/strict'
import type Koa from 'koa'
import { lanes } from '../../src/flow/lanes.js'
import { type Qos, qos } from '../../src/flow/qos.js'
import { type Continuation, ContinuationManager, continuations, suspendable } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import type { Asking } from '../support/serve.js'
import { type Errand, errand } from './errand.js'
import { type QosScene, qosScene, type Visit } from './qos-scene.js'

type Entered = { readonly asking: Asking; readonly visit: Visit }

/** Where the boundary stands, and how the handler below parks its request under `/parks…`. */
const ways: Record<
  string,
  (clients: ContinuationManager) => (app: Koa, qos: Koa.Middleware, handler: Koa.Middleware) => void
> = {
  'suspend(), the boundary above': (clients) => (app, limit, handler) =>
    app
      .use(continuations({ timeout: 0 }))
      .use(limit)
      .use(suspends(clients))
      .use(handler),
  'suspend(), the boundary below': (clients) => (app, limit, handler) =>
    app
      .use(limit)
      .use(continuations({ timeout: 0 }))
      .use(suspends(clients))
      .use(handler),
  'suspend(), in suspendable() below': (clients) => (app, limit, handler) =>
    app
      .use(continuations({ timeout: 0 }))
      .use(limit)
      .use(suspendable(suspends(clients), handler)),
  'wait(), the boundary above': (clients) => (app, limit, handler) =>
    app
      .use(continuations({ timeout: 0 }))
      .use(limit)
      .use(waits(clients))
      .use(handler),
  'wait(), the boundary below': (clients) => (app, limit, handler) =>
    app
      .use(limit)
      .use(continuations({ timeout: 0 }))
      .use(waits(clients))
      .use(handler),
}

const parks = ({ path }: Koa.Context): boolean => path.startsWith('/parks')

function suspends(clients: ContinuationManager): Koa.Middleware {
  return (ctx, next) => {
    const { continuation } = ctx
    if (!parks(ctx) || !continuation.isInitial()) return next()
    continuation.suspend()
    clients.stash(continuation, ctx.path)
    return undefined
  }
}

function waits(clients: ContinuationManager): Koa.Middleware {
  return async (ctx, next) => {
    if (parks(ctx)) {
      const waiting = ctx.continuation.wait()
      clients.stash(ctx.continuation, ctx.path)
      await waiting
    }
    return next()
  }
}

for (const [way, build] of Object.entries(ways)) {
  describe(`a request that is parked below qos(): ${way}`, () => {
    let clients: ContinuationManager
    let stage: QosScene
    beforeEach(() => {
      clients = new ContinuationManager()
    })
    afterEach(async () => {
      await until(() => clients.broadcast() + clients.size === 0)
      await stage.end()
      assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [0, 0, 0])
    })

    const park = async (path: string): Promise<{ asking: Asking; continuation: Continuation }> => {
      const { size } = clients
      const asking = stage.get(path)
      await until(
        () =>
          clients.size === size + 1 && stage.qos.suspended + stage.at.size === stage.qos.running + stage.qos.suspended,
      )
      return { asking, continuation: clients.waiting(path)[0] as Continuation }
    }

    it('has no permit: others run', async () => {
      stage = await qosScene({}, build(clients))
      const parked = await park('/parks/1')
      const another = await park('/parks/2')
      assert.equal(stage.qos.running, 0)
      const { asking, visit } = await stage.enter('/runs')
      assert.deepEqual([stage.qos.running, clients.size], [1, 2])
      visit.answer()
      assert.equal((await asking).status, 200)
      for (const path of ['/parks/1', '/parks/2']) {
        clients.resume(path)
        ;(await stage.visit(path)).answer()
      }
      assert.deepEqual([(await parked.asking).status, (await another.asking).status], [200, 200])
      assert.equal(stage.most, 1)
    })

    it('has one again when it goes on, before all that have not begun, whatever their priority', async () => {
      stage = await qosScene({ priority: () => Number.POSITIVE_INFINITY, maxSuspended: 1 }, build(clients))
      const parked = [await park('/parks/1'), await park('/parks/2')]
      const running = await stage.enter('/runs')
      const waiting = await stage.queue('/waits')
      clients.broadcast()
      await until(() => stage.qos.suspended === 3)
      assert.equal(stage.qos.running, 1)
      running.visit.answer()
      for (const path of ['/parks/1', '/parks/2', '/waits']) (await stage.visit(path)).answer()
      for (const { asking } of [...parked, waiting]) assert.equal((await asking).status, 200)
      assert.deepEqual(stage.order, ['/runs', '/parks/1', '/parks/2', '/waits'])
      assert.equal(stage.most, 1)
    })

    it('is answered 503 where it cannot go on within the timeout', async () => {
      stage = await qosScene({ timeout: 100 }, build(clients))
      const parked = await park('/parks')
      const running = await stage.enter('/runs')
      clients.broadcast()
      await until(() => stage.qos.suspended === 1)
      stage.clock.advance(99)
      assert.equal(stage.qos.suspended, 1)
      stage.clock.advance(1)
      const { status, headers, body } = await parked.asking
      assert.deepEqual([status, headers['retry-after']], [503, '6'])
      assert.equal(body, 'Cannot serve the request: its turn has not come within 100 ms')
      running.visit.answer()
      assert.equal((await running.asking).status, 200)
      assert.deepEqual(stage.order, ['/runs'])
    })

    it('whose client leaves costs no permit', async () => {
      stage = await qosScene({}, build(clients))
      const parked = await park('/parks')
      parked.asking.request.destroy()
      await until(() => clients.size === 0)
      // a handler that awaits goes on, as it does without qos()
      for (const { answer } of stage.at.values()) answer()
      const { asking, visit } = await stage.enter('/runs')
      visit.answer()
      assert.equal((await asking).status, 200)
    })

    it('whose client leaves while it waits to go on is forgotten at once', async () => {
      stage = await qosScene({}, build(clients))
      const parked = await park('/parks')
      const running = await stage.enter('/runs')
      clients.broadcast()
      await until(() => stage.qos.suspended === 1)
      parked.asking.request.destroy()
      await until(() => stage.qos.suspended === 0)
      assert.equal(stage.qos.running, 1)
      const waiting = await stage.queue('/waits')
      running.visit.answer()
      ;(await stage.visit('/waits')).answer()
      for (const { asking } of [running, waiting]) assert.equal((await asking).status, 200)
      // a handler that awaits goes on without a place, so that it can come to its end; no other is dispatched for nobody
      assert.equal(stage.at.has('/parks'), way.startsWith('wait()'))
      stage.at.get('/parks')?.answer()
      await until(() => parked.continuation.phase === 'ended')
      assert.deepEqual([stage.qos.running, stage.qos.suspended], [0, 0])
    })

    it('whose client leaves is not in the line, and its wait() says so at once', async () => {
      stage = await qosScene({ timeout: 100 }, build(clients))
      const parked = await park('/parks')
      const { asking, visit } = await stage.enter('/runs')
      parked.asking.request.destroy()
      await until(() => parked.continuation.phase === 'aborted' || parked.continuation.phase === 'ended')
      if (way.startsWith('wait()')) (await stage.visit('/parks')).answer()
      await until(() => parked.continuation.phase === 'ended')
      assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [1, 0, 0])
      visit.answer()
      assert.equal((await asking).status, 200)
    })

    it('that fails, or is completed, costs no permit', async () => {
      stage = await qosScene({}, build(clients))
      const failed = await park('/parks/1')
      clients.fail('/parks/1', Object.assign(new Error('revoked'), { status: 403, expose: true }))
      assert.equal((await failed.asking).status, 403)
      const completed = await park('/parks/2')
      clients.complete('/parks/2')
      let answered = false
      void completed.asking.then(() => {
        answered = true
      })
      // a handler that awaits goes on to its end, one that was to be dispatched again does not
      await until(() => {
        stage.at.get('/parks/2')?.answer()
        return answered
      })
      const { asking, visit } = await stage.enter('/runs')
      visit.answer()
      assert.equal((await asking).status, 200)
    })
  })
}

describe('qos() over and under', () => {
  let clients: ContinuationManager
  let stage: QosScene
  beforeEach(() => {
    clients = new ContinuationManager()
  })
  afterEach(async () => {
    await stage.end()
    assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [0, 0, 0])
  })

  it('a handler that goes on while its wait() is pending, and leaves, costs no permit', async () => {
    stage = await qosScene({}, (app, limit, handler) => {
      app.use(continuations({ timeout: 0 })).use(limit)
      app.use((ctx, next) => {
        if (ctx.path === '/leaves') {
          void ctx.continuation.wait()
          ctx.body = 'left'
          return undefined
        }
        return next()
      })
      app.use(handler)
    })
    assert.equal((await stage.get('/leaves')).body, 'left')
    const { asking, visit } = await stage.enter('/runs')
    visit.answer()
    assert.equal((await asking).status, 200)
  })

  it('a handler that leaves while it stands in the line to go on costs no permit, and no place in the line', async () => {
    let leave = (): void => {}
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    stage = await qosScene({}, (app, limit, handler) => {
      app.use(continuations({ timeout: 0 })).use(limit)
      app.use(async (ctx, next) => {
        if (ctx.path !== '/leaves') return next()
        void ctx.continuation.wait()
        clients.stash(ctx.continuation)
        await left
        ctx.body = 'left'
      })
      app.use(handler)
    })
    const leaves = stage.get('/leaves')
    await until(() => clients.size === 1)
    const { asking, visit } = await stage.enter('/runs')
    clients.resume()
    await until(() => stage.qos.suspended === 1)
    leave()
    assert.equal((await leaves).body, 'left')
    assert.deepEqual([stage.qos.running, stage.qos.suspended], [1, 0])
    visit.answer()
    assert.equal((await asking).status, 200)
  })

  it('a handler that is told that it cannot go on may wait again, and goes on when there is a place', async () => {
    stage = await qosScene({ timeout: 100 }, (app, limit, handler) => {
      app.use(continuations({ timeout: 0 })).use(limit)
      app.use(async (ctx, next) => {
        for (let again = ctx.path === '/again'; again; ) {
          const waiting = ctx.continuation.wait()
          clients.stash(ctx.continuation)
          again = await waiting.then(
            () => false,
            ({ code }) => code === 'ERR_OVERLOAD',
          )
        }
        await next()
      })
      app.use(handler)
    })
    const again = stage.get('/again')
    await until(() => clients.size === 1)
    const { visit } = await stage.enter('/runs')
    clients.resume()
    await until(() => stage.qos.suspended === 1)
    stage.clock.advance(100)
    await until(() => clients.size === 1)
    visit.answer()
    await until(() => stage.qos.running === 0)
    clients.resume()
    ;(await stage.visit('/again')).answer()
    assert.equal((await again).status, 200)
    assert.equal(stage.most, 1)
  })

  it('wait() answers disconnected at once, while no place is free', async () => {
    const outcomes: string[] = []
    const begun = gate()
    stage = await qosScene({ timeout: 100 }, (app, limit, handler) => {
      app.use(limit).use(continuations({ timeout: 0 }))
      app.use(async (ctx, next) => {
        if (ctx.path !== '/waits') return next()
        const waiting = ctx.continuation.wait()
        begun.open()
        outcomes.push(await waiting)
      })
      app.use(handler)
    })
    const waits = stage.get('/waits')
    await begun
    const { asking, visit } = await stage.enter('/runs')
    waits.request.destroy()
    await until(() => outcomes.length === 1)
    assert.deepEqual(outcomes, ['disconnected'])
    assert.deepEqual([stage.qos.running, stage.qos.suspended], [1, 0])
    visit.answer()
    assert.equal((await asking).status, 200)
  })

  it('an inner limit: who has its permit, and leaves while it waits for the outer one, gives it back', async () => {
    const inner = qos({ maxRequests: 1 })
    stage = await qosScene({ maxRequests: 2 }, (app, outer, handler) => {
      app.use(outer)
      app.use((ctx, next) => (ctx.path.startsWith('/slow') ? inner(ctx, next) : next()))
      app.use(handler)
    })
    const first = await stage.enter('/slow/1')
    const second = stage.get('/slow/2')
    await until(() => inner.suspended === 1)
    const fast = await stage.enter('/fast')
    const { asking: third } = await stage.queue('/third')
    first.visit.answer()
    await stage.visit('/third')
    // it has the inner place, and stands in the outer line
    await until(() => stage.qos.suspended === 1 && inner.running === 1)
    second.request.destroy()
    await until(() => stage.qos.suspended === 0 && inner.running === 0)
    for (const path of ['/fast', '/third']) (await stage.visit(path)).answer()
    for (const one of [first.asking, fast.asking, third]) assert.equal((await one).status, 200)
    assert.ok(!stage.order.includes('/slow/2'))
  })

  it('a handler whose job is done, and that cannot go on in time, is told so in place of the result', async () => {
    let begun = false
    const { job, done } = errand<string>(() => {
      begun = true
    })
    stage = await qosScene({ timeout: 100 }, (app, limit, handler) => {
      app
        .use(continuations({ timeout: 0 }))
        .use(limit)
        .use(lanes({ database: { concurrency: 1 } }))
      app.use(async (ctx, next) => {
        if (ctx.path === '/job') await ctx.continuation.waitFor('database', job)
        await next()
      })
      app.use(handler)
    })
    const asking = stage.get('/job')
    await until(() => begun && stage.qos.running === 0)
    const { visit } = await stage.enter('/runs')
    done('result')
    await until(() => stage.qos.suspended === 1)
    stage.clock.advance(100)
    assert.equal((await asking).status, 503)
    visit.answer()
    assert.deepEqual(stage.order, ['/runs'])
  })

  for (const [where, running] of [
    ['that runs', true],
    ['in line', false],
  ] as const) {
    it(`a job ${where} is cancelled when its client leaves or its time is up, also while no place is free`, async () => {
      const clock = new ManualClock()
      const work = lanes({ database: { concurrency: 2 } })
      const blockers = running ? [] : [errand(), errand()]
      const jobs: Record<string, Errand> = { '/leaves': errand(), '/expires': errand() }
      const heard: string[] = []
      stage = await qosScene({}, (app, limit, handler) => {
        app
          .use(limit)
          .use(continuations({ timeout: 1_000, clock }))
          .use(work)
        app.use(async (ctx, next) => {
          const { job } = jobs[ctx.path] ?? {}
          if (job === undefined) return next()
          await ctx.continuation.waitFor('database', job).catch(({ code }) => heard.push(`${ctx.path} ${code}`))
          ctx.body = 'cancelled'
        })
        app.use(handler)
      })
      const blocking = blockers.map(({ job }) => work.run('database', job))
      const stands = (): number => work.stats().database[running ? 'running' : 'waiting']
      const leaves = stage.get('/leaves')
      await until(() => stands() === 1 && stage.qos.running === 0)
      const expires = stage.get('/expires')
      await until(() => stands() === 2 && stage.qos.running === 0)
      const { asking, visit } = await stage.enter('/runs')
      leaves.request.destroy()
      await until(() => (running ? jobs['/leaves']?.aborted === 'ERR_CLIENT_DISCONNECTED' : stands() === 1))
      clock.advance(1_000)
      if (running) assert.equal(jobs['/expires']?.aborted, 'ERR_JOB_CANCELLED')
      else assert.equal(stands(), 0)
      // and only the client that is there is worth a place
      assert.ok(!heard.includes('/expires ERR_JOB_CANCELLED'))
      for (const { done } of [...blockers, ...Object.values(jobs)]) done('too late')
      await Promise.all(blocking)
      assert.equal(stage.qos.running, 1)
      visit.answer()
      for (const answer of [asking, expires]) assert.equal((await answer).status, 200)
      await until(() => heard.length === 2)
      assert.deepEqual(heard.sort(), ['/expires ERR_JOB_CANCELLED', '/leaves ERR_CLIENT_DISCONNECTED'])
      assert.deepEqual(
        Object.values(jobs).map(({ begun }) => begun),
        running ? [1, 1] : [0, 0],
      )
    })
  }

  for (const above of [true, false]) {
    it(`a request that suspends again and again has a permit in each dispatch only, the boundary ${above ? 'above' : 'below'}`, async () => {
      const running: number[] = []
      const again: Koa.Middleware = (ctx, next) => {
        running.push(stage.qos.running)
        if (ctx.path !== '/again' || running.length === 4) return next()
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
        return undefined
      }
      stage = await qosScene({ maxSuspended: 0 }, (app, limit, handler) => {
        const boundary = continuations({ timeout: 0 })
        for (const each of above ? [boundary, limit] : [limit, boundary]) app.use(each)
        app.use(again).use(handler)
      })
      const asking = stage.get('/again')
      for (let times = 1; times <= 3; times++) {
        await until(() => clients.size === 1 && stage.qos.running === 0)
        assert.equal(running.length, times)
        clients.resume()
      }
      ;(await stage.visit('/again')).answer()
      assert.equal((await asking).status, 200)
      assert.deepEqual(running, [1, 1, 1, 1])
    })
  }

  it('a boundary of many requests that are woken at once lets maxRequests of them run at once', async () => {
    stage = await qosScene({ maxRequests: 3, maxSuspended: 0 }, (app, limit, handler) =>
      app
        .use(continuations({ timeout: 0 }))
        .use(limit)
        .use(suspends(clients))
        .use(handler),
    )
    const asking = Array.from({ length: 50 }, (_, n) => stage.get(`/parks/${n}`))
    await until(() => clients.size === 50)
    assert.equal(clients.broadcast(), 50)
    const paths = new Set<string>()
    await until(() => {
      for (const [path, { answer }] of stage.at) {
        paths.add(path)
        answer()
      }
      return paths.size === 50
    })
    for (const one of asking) assert.equal((await one).status, 200)
    assert.equal(stage.most, 3)
  })

  const nested = async (): Promise<{ inner: Qos; slow: [Entered, Asking]; fast: Entered; third: Asking }> => {
    const inner = qos({ maxRequests: 1 })
    stage = await qosScene({ maxRequests: 2, timeout: 100 }, (app, outer, handler) => {
      app.use(outer)
      app.use((ctx, next) => (ctx.path.startsWith('/slow') ? inner(ctx, next) : next()))
      app.use(handler)
    })
    const first = await stage.enter('/slow/1')
    const second = stage.get('/slow/2')
    await until(() => inner.suspended === 1)
    // one that waits for the inner limit leaves the outer one to others
    assert.equal(stage.qos.running, 1)
    const fast = await stage.enter('/fast')
    const { asking: third } = await stage.queue('/third')
    first.visit.answer()
    // its outer permit goes to who stands in the line; who has got the inner one then stands before all others
    await stage.visit('/third')
    await until(() => stage.qos.suspended === 1)
    assert.deepEqual([stage.qos.running, inner.running], [2, 1])
    return { inner, slow: [first, second], fast, third }
  }

  it('an inner limit: who waits there leaves the outer one to others, and takes both to go on', async () => {
    const { inner, slow, fast, third } = await nested()
    const { asking: last } = await stage.queue('/last')
    fast.visit.answer()
    for (const path of ['/slow/2', '/third', '/last']) (await stage.visit(path)).answer()
    for (const one of [slow[0].asking, slow[1], fast.asking, third, last]) assert.equal((await one).status, 200)
    assert.deepEqual(stage.order, ['/slow/1', '/fast', '/third', '/slow/2', '/last'])
    assert.equal(inner.running, 0)
  })

  it('an inner limit: who has its permit, and waits for the outer one too long, gives it back', async () => {
    const { inner, slow } = await nested()
    stage.clock.advance(100)
    assert.equal((await slow[1]).status, 503)
    assert.deepEqual([inner.running, inner.suspended], [0, 0])
    assert.equal(stage.qos.running, 2)
  })

  for (const above of [true, false]) {
    const where = above ? 'above both' : 'between'
    it(`an inner limit: who goes on there leaves the outer one to others, the boundary ${where}`, async () => {
      const inner = qos({ maxRequests: 1 })
      stage = await qosScene({ maxRequests: 2, timeout: 100 }, (app, limit, handler) => {
        const boundary = continuations({ timeout: 0 })
        for (const each of above ? [boundary, limit] : [limit, boundary]) app.use(each)
        app
          .use((ctx, next) => (ctx.path === '/outside' ? handler(ctx, next) : next()))
          .use(inner)
          .use(suspends(clients))
          .use(handler)
      })
      const parked = ['/parks/1', '/parks/2'].map((path) => stage.get(path))
      await until(() => clients.size === 2 && stage.qos.running === 0)
      const inside = await stage.enter('/inside')
      const waits = stage.get('/waits')
      await until(() => inner.suspended === 1)
      const outside = await stage.enter('/outside')
      clients.broadcast()
      await until(() => stage.qos.suspended === 2)
      // each of the two has to have both limits at last, whoever has one of them now
      inside.visit.answer()
      outside.visit.answer()
      for (const path of ['/waits', '/parks/1', '/parks/2']) (await stage.visit(path)).answer()
      for (const one of [inside.asking, outside.asking, waits, ...parked]) assert.equal((await one).status, 200)
      assert.deepEqual([inner.running, inner.suspended], [0, 0])
    })
  }

  it('an inner limit: who goes on there, and waits for the outer one too long, gives it back', async () => {
    const inner = qos({ maxRequests: 1 })
    stage = await qosScene({ maxRequests: 2, timeout: 100 }, (app, limit, handler) => {
      app
        .use(continuations({ timeout: 0 }))
        .use(limit)
        .use((ctx, next) => (ctx.path.startsWith('/outside') ? handler(ctx, next) : next()))
        .use(inner)
        .use(suspends(clients))
        .use(handler)
    })
    const parked = stage.get('/parks')
    await until(() => clients.size === 1 && stage.qos.running === 0)
    const inside = await stage.enter('/inside')
    clients.resume('/parks')
    await until(() => inner.suspended === 1)
    const outside = [await stage.enter('/outside/1'), await stage.queue('/outside/2')]
    inside.visit.answer()
    await stage.visit('/outside/2')
    await until(() => stage.qos.suspended === 1)
    assert.equal(inner.running, 1)
    stage.clock.advance(100)
    assert.equal((await parked).status, 503)
    assert.deepEqual([stage.qos.running, inner.running, inner.suspended], [2, 0, 0])
    for (const { answer } of [...stage.at.values()]) answer()
    for (const { asking } of [inside, ...outside]) assert.equal((await asking).status, 200)
  })
})
