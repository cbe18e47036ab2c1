import assert from 'node:assert/strict'
import type Koa from 'koa'
import compose from 'koa-compose'
import { type Qos, qos } from '../../src/flow/qos.js'
import { parkIn, passageOf, reenterAll } from '../../src/koa/passage.js'
import { type Gate, gate } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

describe('qos() with a limit that follows the latency', () => {
  let clock: ManualClock
  let limit: Qos
  let working: Gate[]
  beforeEach(() => {
    clock = new ManualClock()
    limit = qos({ maxRequests: { adaptive: true, min: 2, max: 200, initial: 20 }, clock })
    working = []
  })

  const enter = (handler: (ctx: Koa.Context) => Promise<void>): Promise<unknown> =>
    compose([limit, handler])({ req: { headers: {}, socket: {} }, res: {} } as Koa.Context, async () => {})

  /** So many requests as may run at once, again and again; each takes `ms(running)` milliseconds. */
  async function busy(requests: number, ms: (running: number) => number): Promise<void> {
    for (let done = 0; done < requests; ) {
      const all: Promise<unknown>[] = []
      while (limit.running < limit.limit) {
        all.push(
          enter(async () => {
            const work = gate()
            working.push(work)
            await work
          }),
        )
      }
      done += all.length
      clock.advance(ms(all.length))
      for (const one of working.splice(0)) one.open()
      await Promise.all(all)
    }
  }

  it('grows as long as the requests take no longer by it, to max', async () => {
    assert.equal(limit.limit, 10)
    await busy(4_000, () => 50)
    assert.ok(limit.limit > 100, `the limit is ${limit.limit}`)
    await busy(20_000, () => 50)
    // while it is measured it stands at the half
    assert.ok([100, 200].includes(limit.limit), `the limit is ${limit.limit}`)
  })

  it('stands a quarter and a little above what is worked on at once', async () => {
    await busy(50_000, (running) => 50 * Math.max(1, running / 40))
    assert.ok(
      [limit.limit, 2 * limit.limit].some((value) => value > 45 && value < 65),
      `the limit is ${limit.limit}`,
    )
  })

  it('learns nothing of one that throws, nor of the time that one is parked', async () => {
    await busy(1_000, () => 50)
    const before = limit.limit
    for (let n = 0; n < 50; n++) {
      const slow = gate()
      const all = Array.from({ length: limit.limit }, () =>
        enter(async () => {
          await slow
          throw new Error('broken')
        }),
      )
      clock.advance(10_000)
      slow.open()
      for (const { status } of await Promise.allSettled(all)) assert.equal(status, 'rejected')
    }
    assert.equal(limit.limit, before)
    for (let n = 0; n < 20; n++) {
      const parked = gate()
      const all = Array.from({ length: limit.limit }, () =>
        enter(async (ctx) => {
          clock.advance(1)
          parkIn(passageOf(ctx))
          await parked
          await reenterAll(passageOf(ctx))
        }),
      )
      assert.equal(limit.running, 0)
      clock.advance(10_000)
      parked.open()
      await Promise.all(all)
    }
    // what was measured was short
    assert.ok(limit.limit > before, `the limit is ${limit.limit}, and was ${before}`)
  })
})
