import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { lanes } from '../../src/flow/lanes.js'
import type { QosOptions } from '../../src/flow/qos.js'
import { continuations } from '../../src/index.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type QosScene, qosScene } from './qos-scene.js'

describe('drain of qos()', () => {
  let stage: QosScene
  const open = async (options: QosOptions = {}): Promise<void> => {
    stage = await qosScene({ timeout: 0, ...options })
  }
  afterEach(() => stage.end())

  it('who is in line goes on when a place is free', async () => {
    await open()
    const first = await stage.enter('/1')
    const { asking } = await stage.queue('/2')
    const drained = stage.qos.drain({ timeout: 10_000 })
    stage.clock.advance(5_000)
    assert.equal(stage.qos.suspended, 1)
    first.visit.answer()
    ;(await stage.visit('/2')).answer()
    const { body, headers } = await asking
    assert.deepEqual([body, headers.connection], ['answer to /2', 'close'])
    assert.deepEqual(await drained, { held: 1, failed: 0 })
  })

  it('who is in line shortly before the timeout is refused', async () => {
    await open()
    const first = await stage.enter('/1')
    const { asking } = await stage.queue('/2')
    const drained = stage.qos.drain({ timeout: 10_000 })
    stage.clock.advance(8_999)
    assert.equal(stage.qos.suspended, 1)
    stage.clock.advance(1)
    const { status, headers } = await asking
    assert.deepEqual([status, headers['retry-after']], [503, '6'])
    assert.deepEqual(await drained, { held: 1, failed: 1 })
    first.visit.answer()
    assert.equal((await first.asking).status, 200)
  })

  it('nobody is put in line any more, and nobody makes room for one that is refused; a free place is free', async () => {
    await open({ maxSuspended: 1, priority: (ctx) => Number(ctx.get('x-priority')) })
    const first = await stage.enter('/1')
    const second = await stage.queue('/2')
    const drained = stage.qos.drain()
    assert.equal(
      (await stage.get('/3', { 'x-priority': '9' })).body,
      'Cannot hold this request: the server is going away',
    )
    assert.equal(stage.qos.suspended, 1)
    first.visit.answer()
    ;(await stage.visit('/2')).answer()
    assert.equal((await second.asking).status, 200)
    await drained
    const agent = new Agent({ keepAlive: true })
    const asking = stage.ask('GET', '/4', { agent })
    ;(await stage.visit('/4')).answer()
    const { status, headers } = await asking
    assert.deepEqual([status, headers.connection], [200, 'close'])
  })

  it('whose body has not come by then is refused, too', async () => {
    await open()
    const socket = connect(stage.port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
    let got = ''
    socket.on('data', (data) => {
      got += data
    })
    await until(() => stage.qos.arriving === 1)
    const drained = stage.qos.drain({ timeout: 10_000 })
    stage.clock.advance(9_000)
    await until(() => got !== '')
    assert.match(got, /^HTTP\/1.1 503 /)
    socket.destroy()
    assert.deepEqual(await drained, { held: 1, failed: 1 })
  })

  for (const above of ['qos()', 'continuations()']) {
    it(`${above} above: who was parked, and finds no place to go on shortly before the timeout, is refused`, async () => {
      const clock = new ManualClock()
      const boundary = continuations({ clock })
      stage = await qosScene({ timeout: 0 }, (app, limit, handler) => {
        for (const one of above === 'qos()' ? [limit, boundary] : [boundary, limit]) app.use(one)
        app.use((ctx, next) => {
          if (ctx.path !== '/parked') return handler(ctx, next)
          if (ctx.continuation.isInitial()) ctx.continuation.suspend()
          else ctx.body = 'nothing yet'
          return undefined
        })
      })
      const parked = stage.get('/parked')
      await until(() => boundary.size === 1 && stage.qos.running === 0)
      const other = await stage.enter('/other')
      const drained = Promise.all([stage.qos.drain(), boundary.drain({ timeout: 10_000 })])
      clock.advance(8_999)
      await until(() => stage.qos.suspended === 1)
      clock.advance(1)
      const { status, headers } = await parked
      assert.deepEqual([status, typeof headers['retry-after'], stage.qos.suspended], [503, 'string', 0])
      assert.deepEqual((await drained)[1], { held: 1, failed: 1 })
      other.visit.answer()
      assert.equal((await other.asking).status, 200)
      assert.deepEqual([stage.qos.running, stage.qos.suspended], [0, 0])
    })
  }

  for (const above of ['qos()', 'continuations()']) {
    it(`${above} above: who awaits something that is not there shortly before the timeout is refused, and needs no place for that`, async () => {
      const clock = new ManualClock()
      const boundary = continuations({ clock })
      stage = await qosScene({ timeout: 0 }, (app, limit, handler) => {
        for (const one of above === 'qos()' ? [limit, boundary] : [boundary, limit]) app.use(one)
        app.use(lanes({ database: { concurrency: 1 } }, { clock }))
        app.use(async (ctx, next) => {
          if (ctx.path !== '/parked') return handler(ctx, next)
          ctx.body = await ctx.continuation.waitFor('database', () => new Promise(() => {}))
        })
      })
      const parked = stage.get('/parked')
      await until(() => boundary.size === 1 && stage.qos.running === 0)
      const other = await stage.enter('/other')
      const drained = boundary.drain({ timeout: 10_000 })
      clock.advance(9_000)
      assert.equal((await parked).status, 503)
      assert.deepEqual(await drained, { held: 1, failed: 1 })
      other.visit.answer()
      assert.equal((await other.asking).status, 200)
      assert.deepEqual([stage.qos.running, stage.qos.suspended], [0, 0])
    })
  }

  it('wrong options: an error with a code, and nobody is refused', async () => {
    await open()
    await assert.rejects(stage.qos.drain({ timeout: 0 }), { code: 'ERR_INVALID_OPTION' })
    const first = await stage.enter('/1')
    const second = await stage.queue('/2')
    first.visit.answer()
    ;(await stage.visit('/2')).answer()
    assert.equal((await second.asking).status, 200)
  })
})
