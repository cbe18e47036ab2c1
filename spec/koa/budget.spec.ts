import assert from 'node:assert/strict'
import Koa from 'koa'
import { systemClock } from '../../src/core/clock.js'
import { ContinuationManager, continuations } from '../../src/index.js'
import { until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

describe('the budget of a turn', () => {
  let served: Served
  afterEach(async () => {
    await served.close()
  })

  it('ends with the first handler that takes long, also where quick ones were woken together', async () => {
    let now = 0
    let turn = 0
    const clock = {
      ...systemClock,
      now: () => now,
      nextTurn: (callback: () => void) =>
        systemClock.nextTurn(() => {
          turn++
          callback()
        }),
    }
    const clients = new ContinuationManager()
    const turns: number[] = []
    const app = new Koa()
    app.use(continuations({ clock, budget: 5 }))
    app.use((ctx) => {
      if (ctx.continuation.isInitial()) {
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
        return
      }
      // the fourth is the first of four that are woken together
      if (turns.push(turn) >= 4) now += 10
      ctx.body = String(turns.length)
    })
    served = await serve(app)
    const asking = Array.from({ length: 9 }, () => served.get('/'))
    await until(() => clients.size === 9)
    const before = turn
    assert.equal(clients.broadcast({}), 9)
    const bodies = (await Promise.all(asking)).map(({ body }) => body)
    assert.deepEqual(bodies.sort(), ['1', '2', '3', '4', '5', '6', '7', '8', '9'])
    assert.deepEqual(
      turns.map((turn) => turn - before),
      [1, 1, 1, 1, 2, 3, 4, 5, 6],
    )
  })
})
