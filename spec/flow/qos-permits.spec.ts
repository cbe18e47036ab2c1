import assert from 'node:assert/strict'
import type Koa from 'koa'
import { systemClock } from '../../src/core/clock.js'
import { Permits, type Waiting } from '../../src/flow/permits.js'
import { collect } from '../support/collected.js'
import { until } from '../support/gate.js'
import { type QosScene, qosScene } from './qos-scene.js'

describe('a permit of qos() is never lost', () => {
  let stage: QosScene
  afterEach(async () => {
    await stage.end()
    assert.deepEqual([stage.qos.running, stage.qos.suspended, stage.clock.timers], [0, 0, 0])
  })

  /** The next is served, whatever became of those before it. */
  const goesOn = async (): Promise<void> => {
    const asking = stage.get('/next')
    ;(await stage.visit('/next')).answer()
    assert.equal((await asking).status, 200)
  }

  it('when a handler throws', async () => {
    stage = await qosScene()
    const { visit, asking } = await stage.enter('/1')
    const second = await stage.queue('/2')
    visit.fail(new Error('broken'))
    assert.equal((await asking).status, 500)
    ;(await stage.visit('/2')).fail(Object.assign(new Error('teapot'), { status: 418 }))
    assert.equal((await second.asking).status, 418)
    await goesOn()
  })

  it('when what is below throws before it returns a promise', async () => {
    stage = await qosScene({}, (app, limit, handler) => {
      app.use(limit).use((ctx, next) => {
        if (ctx.path === '/throws') throw new Error('broken')
        return next()
      })
      app.use(handler)
    })
    assert.equal((await stage.get('/throws')).status, 500)
    const { visit } = await stage.enter('/1')
    const second = await stage.queue('/throws')
    visit.answer()
    assert.equal((await second.asking).status, 500)
    await goesOn()
  })

  it('when priority throws, or answers no number', async () => {
    stage = await qosScene({
      priority(ctx) {
        if (ctx.path === '/throws') throw new Error('no priority')
        return ctx.path === '/odd' ? Number.NaN : 0
      },
    })
    const { visit } = await stage.enter('/1')
    assert.equal((await stage.get('/throws')).status, 500)
    assert.equal((await stage.get('/odd')).status, 500)
    assert.deepEqual(
      stage.errors.map(({ message }) => message),
      ['no priority', 'What priority answers must be a number: got NaN'],
    )
    assert.equal(stage.qos.suspended, 0)
    visit.answer()
    await goesOn()
  })

  it('when the client leaves that runs: the place is free when the handler is done', async () => {
    stage = await qosScene()
    const { visit, asking } = await stage.enter('/1')
    const second = await stage.queue('/2')
    asking.request.destroy()
    await until(() => visit.ctx.res.destroyed)
    assert.deepEqual([stage.qos.running, stage.qos.suspended], [1, 1])
    visit.answer()
    ;(await stage.visit('/2')).answer()
    assert.equal((await second.asking).status, 200)
    await goesOn()
  })

  it('when the client leaves in the moment between its turn and its run: it does not run', async () => {
    const contexts = new Map<string, Koa.Context>()
    stage = await qosScene({}, (app, limit, handler) => {
      app.use((ctx, next) => {
        contexts.set(ctx.path, ctx)
        return next()
      })
      app.use(limit).use(handler)
    })
    const { visit } = await stage.enter('/1')
    const gone = await stage.queue('/gone')
    const third = await stage.queue('/3')
    const moments: (() => void)[] = []
    stage.clock.afterJobs = (go) => moments.push(go)
    visit.answer()
    await until(() => moments.length === 1)
    assert.deepEqual([stage.qos.running, stage.qos.suspended], [1, 1])
    gone.asking.request.destroy()
    await until(() => contexts.get('/gone')?.res.destroyed === true)
    stage.clock.afterJobs = systemClock.afterJobs
    for (const go of moments) go()
    ;(await stage.visit('/3')).answer()
    assert.equal((await third.asking).status, 200)
    assert.deepEqual(stage.order, ['/1', '/3'])
    await goesOn()
  })

  it('when time is up, or the client leaves, in the line', async () => {
    stage = await qosScene({ timeout: 100 })
    const { visit } = await stage.enter('/1')
    const expires = await stage.queue('/2')
    stage.clock.advance(100)
    assert.equal((await expires.asking).status, 503)
    const gone = await stage.queue('/3')
    gone.asking.request.destroy()
    await until(() => stage.qos.suspended === 0)
    visit.answer()
    await goesOn()
    assert.deepEqual(stage.order, ['/1', '/next'])
  })

  it('when somebody above ends the response of one that waits', async () => {
    const contexts: Koa.Context[] = []
    stage = await qosScene({}, (app, limit, handler) => {
      app.use((ctx, next) => {
        contexts.push(ctx)
        return next()
      })
      app.use(limit).use(handler)
    })
    const { visit } = await stage.enter('/1')
    const second = await stage.queue('/2')
    const ctx = contexts[1] as Koa.Context
    ctx.respond = false
    ctx.res.end('ended')
    assert.equal((await second.asking).body, 'ended')
    await until(() => stage.qos.suspended === 0)
    visit.answer()
    await goesOn()
    assert.deepEqual(stage.order, ['/1', '/next'])
  })
})

describe('what is over', () => {
  it('is not kept by qos(): no context that has waited stays', async () => {
    let contexts = 0
    const collected = new FinalizationRegistry<void>(() => contexts--)
    const stage = await qosScene({ timeout: 100 }, (app, limit, handler) => {
      app.use((ctx, next) => {
        contexts++
        collected.register(ctx, undefined)
        return next()
      })
      app.use(limit).use(handler)
    })
    const live = async (): Promise<void> => {
      const { visit } = await stage.enter('/1')
      const expires = await stage.queue('/expires')
      stage.clock.advance(100)
      await expires.asking
      const leaves = await stage.queue('/leaves')
      leaves.asking.request.destroy()
      await until(() => stage.qos.suspended === 0)
      const served = await stage.queue('/served')
      visit.answer()
      ;(await stage.visit('/served')).answer()
      await served.asking
    }
    for (let n = 0; n < 5; n++) await live()
    assert.equal(contexts > 0, true)
    await stage.end()
    await until(() => {
      collect()
      return contexts === 0
    })
    assert.equal(stage.qos.running, 0)
  })
})

describe('Permits', () => {
  const limit = { value: 1 }
  const one = (grant: () => boolean, refused: unknown[] = []): Waiting => ({
    ctx: {} as Koa.Context,
    priority: 0,
    place: -1,
    arrival: 0,
    grant,
    refuse: (error) => void refused.push(error),
  })

  it('a candidate that cannot take its turn, or throws, takes nothing with it: the next has its chance', () => {
    const permits = new Permits(limit)
    assert.ok(permits.take())
    const refused: unknown[] = []
    const granted: string[] = []
    const broken = new Error('broken')
    permits.line.push(one(() => false))
    permits.line.push(
      one(() => {
        throw broken
      }, refused),
    )
    permits.line.push(one(() => granted.push('third') > 0))
    permits.line.push(one(() => granted.push('fourth') > 0))
    permits.give(undefined)
    assert.deepEqual([granted, refused, permits.running, permits.line.size], [['third'], [broken], 1, 1])
    permits.give(undefined)
    assert.deepEqual([granted, permits.running], [['third', 'fourth'], 1])
    permits.give(undefined)
    assert.deepEqual([permits.running, permits.line.size], [0, 0])
  })

  it('where the limit has grown, as many go on as it allows; where it has shrunk, nobody', () => {
    let value = 2
    const permits = new Permits({
      get value() {
        return value
      },
    })
    assert.deepEqual([permits.take(), permits.take(), permits.take()], [true, true, false])
    let granted = 0
    for (let n = 0; n < 5; n++) permits.line.push(one(() => ++granted > 0))
    value = 1
    permits.give(undefined)
    assert.deepEqual([permits.running, granted], [1, 0])
    value = 4
    permits.give(undefined)
    assert.deepEqual([permits.running, granted], [4, 4])
  })
})
