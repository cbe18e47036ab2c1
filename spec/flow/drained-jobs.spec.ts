import assert from 'node:assert/strict'
import Koa from 'koa'
import { lanes } from '../../src/flow/lanes.js'
import { type Boundary, ContinuationManager, continuations } from '../../src/index.js'
import { type Gate, gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { type Errand, errand } from './errand.js'

describe('a drain, and requests that wait for jobs', () => {
  let clock: ManualClock
  let boundary: Boundary
  let clients: ContinuationManager
  let job: Errand
  let next: Errand
  let between: Gate
  /** The handler is at the gate. */
  let isBetween: boolean
  let served: Served

  beforeEach(async () => {
    clock = new ManualClock()
    boundary = continuations({ clock })
    clients = new ContinuationManager()
    job = errand()
    next = errand()
    between = gate()
    isBetween = false
    const work = lanes({ database: { concurrency: 1 } }, { clock })
    const app = new Koa()
    app.use(boundary).use(work)
    app.use(async (ctx) => {
      const { continuation } = ctx
      const passBetween = async (): Promise<void> => {
        isBetween = true
        await between
      }
      if (ctx.path === '/awaits-two') {
        const first = await continuation.waitFor('database', job.job)
        await passBetween()
        ctx.body = [first, await continuation.waitFor('database', next.job)]
      } else if (ctx.path === '/comes-again-twice') {
        if (continuation.getAttribute('second') !== undefined) {
          ctx.body = [continuation.resultOf('database'), continuation.resultOf('second')]
        } else if (continuation.isInitial()) continuation.returnWhen('database', job.job)
        else {
          await passBetween()
          continuation.returnWhen('database', next.job, { as: 'second' })
        }
      } else if (ctx.path === '/suspends-first') {
        if (continuation.isInitial()) {
          continuation.suspend()
          await passBetween()
          continuation.returnWhen('database', job.job)
        } else ctx.body = [continuation.isExpired(), continuation.resultOf('database')]
      } else if (ctx.path === '/idle-then') {
        await continuation.waitFor('database', job.job)
        continuation.suspend()
      } else if (ctx.path === '/awaits') {
        const found = continuation.waitFor('database', job.job)
        clients.stash(continuation)
        ctx.body = await found
      } else if (!continuation.isInitial()) {
        ctx.body = ctx.path === '/idle' ? 'nothing yet' : continuation.resultOf('database')
      } else if (ctx.path === '/idle') continuation.suspend()
      else {
        continuation.returnWhen('database', job.job)
        clients.stash(continuation)
      }
    })
    served = await serve(app)
  })
  afterEach(() => served.close())

  for (const path of ['/awaits', '/comes-again']) {
    it(`${path}: has its result, and those that are idle go home meanwhile`, async () => {
      const asking = served.get(path)
      const idle = served.get('/idle')
      await until(() => boundary.size === 2)
      const drained = boundary.drain({ timeout: 10_000 })
      clock.advance(5_000)
      assert.equal((await idle).body, 'nothing yet')
      assert.equal(boundary.size, 1)
      job.done('a result')
      const { body, headers } = await asking
      assert.deepEqual([body, headers.connection], ['a result', 'close'])
      assert.deepEqual(await drained, { held: 2, failed: 0 })
    })

    it(`${path}: where the manager is drained that keeps it, too`, async () => {
      const asking = served.get(path)
      await until(() => clients.size === 1)
      const drained = clients.drain({ timeout: 10_000 })
      clock.advance(5_000)
      assert.equal(clients.size, 1)
      job.done('a result')
      assert.equal((await asking).body, 'a result')
      assert.deepEqual(await drained, { held: 1, failed: 0 })
    })

    it(`${path}: what is not done shortly before the timeout is cancelled, and the client gets a 503`, async () => {
      const asking = served.get(path)
      await until(() => boundary.size === 1)
      const drained = boundary.drain({ timeout: 10_000 })
      clock.advance(8_999)
      assert.equal(job.aborted, undefined)
      clock.advance(1)
      const { status, headers } = await asking
      assert.deepEqual([status, typeof headers['retry-after']], [503, 'string'])
      assert.ok(job.aborted)
      assert.deepEqual(await drained, { held: 1, failed: 1 })
      job.done('too late')
    })

    it(`${path}: the suspension's own time is up all the same`, async () => {
      const asking = served.get(path)
      await until(() => boundary.size === 1)
      clock.advance(29_000)
      const drained = boundary.drain({ timeout: 10_000 })
      clock.advance(1_000)
      assert.equal((await asking).status, 503)
      assert.equal(job.aborted, 'ERR_JOB_CANCELLED')
      assert.deepEqual(await drained, { held: 1, failed: 0 })
      job.done('too late')
    })
  }

  for (const path of ['/awaits-two', '/comes-again-twice']) {
    it(`${path}: has the result of a further job, too`, async () => {
      const asking = served.get(path)
      await until(() => job.begun === 1)
      const drained = boundary.drain({ timeout: 10_000 })
      job.done(1)
      between.open()
      await until(() => next.begun === 1)
      clock.advance(5_000)
      next.done(2)
      assert.equal((await asking).body, '[1,2]')
      assert.deepEqual(await drained, { held: 1, failed: 0 })
    })

    it(`${path}: who asks for a further job when those that are left have failed is refused`, async () => {
      const asking = served.get(path)
      await until(() => job.begun === 1)
      const drained = boundary.drain({ timeout: 10_000 })
      job.done(1)
      await until(() => isBetween)
      clock.advance(9_000)
      between.open()
      const { status, body } = await asking
      assert.deepEqual([status, body], [503, 'Cannot hold this request: the server is going away'])
      assert.equal(boundary.size, 0)
      assert.deepEqual(await drained, { held: 1, failed: 1 })
      next.done('too late')
    })
  }

  it('one that had suspended, and asks for its job when it has begun, has the result', async () => {
    const asking = served.get('/suspends-first')
    await until(() => isBetween)
    const drained = boundary.drain({ timeout: 10_000 })
    between.open()
    await until(() => job.begun === 1)
    clock.advance(5_000)
    job.done('a result')
    assert.equal((await asking).body, '[false,"a result"]')
    assert.deepEqual(await drained, { held: 1, failed: 0 })
  })

  it('who wants to be held for something else after its job is refused', async () => {
    const asking = served.get('/idle-then')
    await until(() => job.begun === 1)
    const drained = boundary.drain({ timeout: 10_000 })
    job.done(1)
    assert.equal((await asking).body, 'Cannot hold this request: the server is going away')
    await drained
  })

  it('who comes with a job when it has begun is refused', async () => {
    await boundary.drain()
    assert.equal((await served.get('/awaits')).body, 'Cannot hold this request: the server is going away')
    assert.equal((await served.get('/comes-again')).status, 503)
    assert.equal(job.begun, 0)
  })
})
