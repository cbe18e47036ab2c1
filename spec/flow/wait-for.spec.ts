import assert from 'node:assert/strict'
import type Koa from 'koa'
import { ContinuationManager, suspendable } from '../../src/index.js'
import { gate, turn, until } from '../support/gate.js'
import { isre } from '../support/scene.js'
import { type LaneScene, laneScene } from './lane-scene.js'

const idle = { running: 0, waiting: 0, abandoned: 0 }

/** What the handler catches is the body, by its code or message. */
async function inBody(ctx: Koa.Context, result: () => unknown): Promise<void> {
  try {
    ctx.body = { result: await result() }
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    ctx.body = { error: code ?? message }
  }
}

describe('waitFor', () => {
  let stage: LaneScene
  afterEach(async () => {
    await stage?.close()
    assert.deepEqual(stage.errors, [])
    assert.deepEqual(stage.work.stats(), { database: idle, search: idle })
    assert.equal(stage.clock.timers, 0)
  })

  const standing = async (running: number, waiting: number): Promise<void> =>
    until(() => {
      const { database } = stage.work.stats()
      return database.running === running && database.waiting === waiting
    })

  it('suspends in place, and resolves inside the same handler to the result', async () => {
    let dispatches = 0
    stage = await laneScene(async (ctx, { job }) => {
      dispatches++
      const result = await ctx.continuation.waitFor('database', job('a').job)
      ctx.body = { result, isre: isre(ctx.continuation) }
    })
    const { asking, continuation } = await stage.park()
    assert.equal(isre(continuation), 'IS--')
    stage.job('a').done('A')
    assert.equal((await asking).body, '{"result":"A","isre":"I-R-"}')
    assert.equal(dispatches, 1)
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onSuspend', 'onResume', 'onComplete'])
  })

  it('one after the other, of whatever kind: each is a suspension of its own', async () => {
    stage = await laneScene(async (ctx) => {
      const { continuation } = ctx
      ctx.body = [
        await continuation.waitFor('database', () => 1),
        await continuation.waitFor('search', async () => 2),
        await continuation.waitFor('database', () => Promise.reject(new Error('3'))).catch(({ message }) => message),
        await continuation.waitFor('database', () => 4),
      ]
    })
    assert.equal((await stage.get('/')).body, '[1,2,"3",4]')
    assert.equal(stage.heard.filter((event) => event === 'onSuspend').length, 4)
  })

  it('by priority, then in order of asking', async () => {
    stage = await laneScene(async (ctx, { job }) => {
      const { path, query } = ctx
      await ctx.continuation.waitFor('database', job(path).job, { priority: Number(query['priority'] ?? 0) })
      ctx.body = 'done'
    })
    const asking = [stage.get('/first')]
    await standing(1, 0)
    for (const [place, path] of ['/low?priority=-1', '/a', '/high?priority=9'].entries()) {
      asking.push(stage.get(path))
      await standing(1, place + 1)
    }
    for (const path of ['/first', '/high', '/a', '/low']) stage.job(path).done(1)
    await Promise.all(asking)
    assert.deepEqual(stage.begun, ['/first', '/high', '/a', '/low'])
  })

  for (const [where, running] of [
    ['while it runs', true],
    ['in line', false],
  ] as const) {
    describe(`the suspension ends before, ${where}`, () => {
      let blocker: Promise<unknown>
      beforeEach(async () => {
        stage = await laneScene((ctx, { job }) => inBody(ctx, () => ctx.continuation.waitFor('database', job('a').job)))
        blocker = running ? Promise.resolve() : stage.work.run('database', stage.job('blocker').job)
      })
      afterEach(async () => {
        assert.equal(stage.job('a').begun, running ? 1 : 0)
        for (const name of ['a', 'blocker']) stage.job(name).done('too late')
        await blocker
        await standing(0, 0)
      })

      const ends = async (expected: string, act: () => unknown): Promise<void> => {
        const { asking } = await stage.park()
        await standing(1, running ? 0 : 1)
        act()
        assert.deepEqual(JSON.parse((await asking).body), { error: expected })
        if (running) assert.equal(stage.job('a').aborted, expected)
        else assert.equal(stage.work.stats().database.waiting, 0)
      }

      it('its time is up', () => ends('ERR_JOB_CANCELLED', () => stage.clock.advance(30_000)))
      it('somebody resumes', () => ends('ERR_JOB_CANCELLED', () => stage.continuation.resume()))
      it('somebody says fail()', () => ends('revoked', () => stage.continuation.fail(new Error('revoked'))))
      it('somebody says complete()', () => ends('ERR_JOB_CANCELLED', () => stage.continuation.complete()))

      for (const looked of [false, true]) {
        it(`the client leaves${looked ? ', and somebody has its signal' : ''}`, async () => {
          const { asking, continuation } = await stage.park()
          await standing(1, running ? 0 : 1)
          if (looked) assert.equal(continuation.signal.aborted, false)
          asking.request.destroy()
          await until(() => continuation.phase === 'ended')
          assert.deepEqual(continuation.context.body, { error: 'ERR_CLIENT_DISCONNECTED' })
          if (running) assert.equal(stage.job('a').signal?.reason, continuation.signal.reason)
        })
      }
    })
  }

  it('the client has left before: the job is not run', async () => {
    const entered = gate()
    stage = await laneScene(async (ctx, { job }) => {
      entered.open()
      await until(() => ctx.res.destroyed)
      await inBody(ctx, () => ctx.continuation.waitFor('database', job('a').job))
    })
    const asking = stage.get('/')
    await entered
    asking.request.destroy()
    await until(() => stage.continuation.phase === 'ended')
    assert.deepEqual(stage.continuation.context.body, { error: 'ERR_CLIENT_DISCONNECTED' })
    assert.deepEqual(stage.begun, [])
  })

  describe('a handler that lets the error through', () => {
    const lets = async (ctx: Koa.Context, { job }: LaneScene): Promise<void> => {
      ctx.body = 'as it is'
      ctx.body = await ctx.continuation.waitFor('search', job(ctx.path).job)
    }
    afterEach(() => until(() => stage.work.stats().search.running === 0))

    it('completed by somebody: has returned, and what the context holds is sent', async () => {
      stage = await laneScene(lets)
      const { asking, continuation } = await stage.park('/a')
      assert.equal(continuation.complete(), true)
      const { status, body } = await asking
      assert.deepEqual([status, body], [200, 'as it is'])
      assert.equal(stage.job('/a').aborted, 'ERR_JOB_CANCELLED')
      stage.job('/a').done('too late')
    })

    it('completed in an onTimeout listener: the same', async () => {
      stage = await laneScene((ctx, scene) => {
        ctx.continuation.addContinuationListener({ onTimeout: (continuation) => continuation.complete() })
        return lets(ctx, scene)
      })
      const { asking } = await stage.park('/a')
      stage.clock.advance(30_000)
      assert.equal((await asking).body, 'as it is')
      stage.job('/a').done('too late')
    })

    it('with several jobs under way: the same', async () => {
      stage = await laneScene(async (ctx, { job }) => {
        ctx.body = 'as it is'
        ctx.body = await Promise.all(['a', 'b', 'c'].map((name) => ctx.continuation.waitFor('search', job(name).job)))
      })
      const { asking, continuation } = await stage.park()
      continuation.complete()
      assert.equal((await asking).body, 'as it is')
      for (const name of ['a', 'b']) stage.job(name).done('too late')
      assert.deepEqual(stage.begun, ['a', 'b'])
    })

    it('replaced by a newer request of its client: 204', async () => {
      const clients = new ContinuationManager({ second: 'replace' })
      stage = await laneScene((ctx, scene) => {
        const waiting = lets(ctx, scene)
        clients.stash(ctx.continuation)
        return waiting
      })
      const older = await stage.park('/older')
      const newer = await stage.park('/newer')
      assert.equal((await older.asking).status, 204)
      stage.job('/older').done('too late')
      stage.job('/newer').done('new')
      assert.equal((await newer.asking).body, 'new')
    })

    it('within a suspendable(): what stands around goes on as after a return', async () => {
      let scene!: LaneScene
      const inner = suspendable((ctx) => lets(ctx, scene))
      stage = await laneScene(async (ctx, made) => {
        scene = made
        await inner(ctx, async () => {})
        ctx.body = `${ctx.body}, and more`
      })
      const { asking, continuation } = await stage.park('/a')
      continuation.complete()
      assert.equal((await asking).body, 'as it is, and more')
      stage.job('/a').done('too late')
    })

    it('and one that throws another has failed, also when that came of it', async () => {
      stage = await laneScene(async (ctx, scene) => {
        await lets(ctx, scene).catch((cause) => ctx.throw(409, 'no puppies', { cause }))
      })
      const { asking, continuation } = await stage.park('/a')
      continuation.complete()
      const { status, body } = await asking
      assert.deepEqual([status, body], [409, 'no puppies'])
      assert.equal(stage.errors.splice(0).length, 1)
      stage.job('/a').done('too late')
    })

    it('resumed by somebody: 503', async () => {
      stage = await laneScene(lets)
      const { asking, continuation } = await stage.park('/a')
      continuation.resume()
      const { status, body } = await asking
      assert.deepEqual([status, body], [503, 'The request went on before the job in the lane search was done'])
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_JOB_CANCELLED')
      stage.job('/a').done('too late')
    })
  })

  it('a client that leaves is no error that Koa prints', async () => {
    stage = await laneScene((ctx, { job }) => ctx.continuation.waitFor('database', job('a').job))
    const { asking, continuation } = await stage.park()
    asking.request.destroy()
    await until(() => continuation.phase === 'ended')
    stage.job('a').done(1)
    await standing(0, 0)
    const [error] = stage.errors.splice(0) as { code?: string; expose?: boolean }[]
    assert.deepEqual([error?.code, error?.expose], ['ERR_CLIENT_DISCONNECTED', true])
  })

  describe('several at the same time', () => {
    const all =
      (names: string[]) =>
      (ctx: Koa.Context, { job }: LaneScene) =>
        inBody(ctx, () => Promise.all(names.map((name) => ctx.continuation.waitFor('search', job(name).job))))

    it('share one suspension', async () => {
      stage = await laneScene(all(['a', 'b', 'c']))
      const { asking, continuation } = await stage.park()
      assert.deepEqual(stage.begun, ['a', 'b'])
      stage.job('b').done('B')
      await until(() => stage.begun.length === 3)
      stage.job('a').done('A')
      await turn()
      assert.equal(continuation.phase, 'suspended')
      stage.job('c').done('C')
      assert.equal((await asking).body, '{"result":["A","B","C"]}')
      assert.deepEqual(stage.heard.slice(0, 2), ['onSuspend', 'onResume'])
    })

    it('the first that fails is heard at once, and when the handler leaves, the others are cancelled', async () => {
      stage = await laneScene(all(['a', 'b', 'c']))
      const { asking } = await stage.park()
      stage.job('b').fail(new Error('no'))
      assert.equal((await asking).body, '{"error":"no"}')
      await until(() => stage.job('a').aborted === 'ERR_JOB_CANCELLED')
      for (const name of ['a', 'c']) stage.job(name).done('too late')
      await until(() => stage.work.stats().search.running === 0)
    })

    it('one alone is heard at once: the first of them wins', async () => {
      stage = await laneScene((ctx, { job }) =>
        inBody(ctx, () => Promise.race(['a', 'b'].map((name) => ctx.continuation.waitFor('search', job(name).job)))),
      )
      const { asking } = await stage.park()
      stage.job('b').done('B')
      assert.equal((await asking).body, '{"result":"B"}')
      await until(() => stage.job('a').aborted === 'ERR_JOB_CANCELLED')
      stage.job('a').done('too late')
      await until(() => stage.work.stats().search.running === 0)
    })

    it('its time is up: all are cancelled', async () => {
      stage = await laneScene(async (ctx, { job }) => {
        const results = ['a', 'b', 'c'].map((name) => ctx.continuation.waitFor('search', job(name).job))
        ctx.body = (await Promise.allSettled(results)).map(({ status }) => status)
      })
      const { asking } = await stage.park()
      stage.job('a').done('A')
      await until(() => stage.begun.length === 3)
      stage.clock.advance(30_000)
      assert.equal((await asking).body, '["fulfilled","rejected","rejected"]')
      for (const name of ['b', 'c']) stage.job(name).done('too late')
      await until(() => stage.work.stats().search.running === 0)
    })

    it('each of several strands may go on to the next job, also in the moment in which the others are done', async () => {
      stage = await laneScene((ctx, { job }) => {
        const strand = async (...names: string[]): Promise<unknown[]> => {
          const results = []
          for (const name of names) results.push(await ctx.continuation.waitFor('search', job(name).job))
          return results
        }
        return inBody(ctx, () => Promise.all([strand('a', 'c', 'e'), strand('b', 'd')]))
      })
      const { asking } = await stage.park()
      // two in one tick: one of them is the last that is under way
      for (const both of [
        ['a', 'b'],
        ['c', 'd'],
      ]) {
        await until(() => both.every((name) => stage.job(name).begun === 1))
        for (const name of both) stage.job(name).done(name)
      }
      await until(() => stage.job('e').begun === 1)
      stage.job('e').done('e')
      assert.equal((await asking).body, '{"result":[["a","c","e"],["b","d"]]}')
    })

    it('one that is asked for between the wake-up and its turn is waited for too', async () => {
      const resumed = gate()
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        continuation.addContinuationListener({ onResume: () => resumed.open() })
        const strand = async (): Promise<unknown> => {
          await continuation.waitFor('search', job('a').job)
          await resumed
          assert.equal(continuation.phase, 'woken')
          return continuation.waitFor('search', job('c').job)
        }
        return inBody(ctx, () => Promise.all([strand(), continuation.waitFor('search', job('b').job)]))
      })
      const { asking, continuation } = await stage.park()
      stage.job('a').done('A')
      await turn()
      stage.job('b').done('B')
      await until(() => stage.job('c').begun === 1 && continuation.phase === 'suspended')
      stage.job('c').done('C')
      assert.equal((await asking).body, '{"result":["C","B"]}')
    })

    it('one that is asked for when somebody else has resumed it is not run', async () => {
      const resumed = gate()
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        continuation.addContinuationListener({ onResume: () => resumed.open() })
        const late = async (): Promise<unknown> => {
          await resumed
          assert.equal(continuation.phase, 'woken')
          return continuation.waitFor('search', job('late').job)
        }
        return inBody(ctx, async () => {
          const settled = await Promise.allSettled([late(), continuation.waitFor('search', job('a').job)])
          return settled.map((one) => one.status === 'rejected' && one.reason.code)
        })
      })
      const { asking, continuation } = await stage.park()
      continuation.resume()
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
      assert.equal((await asking).body, '{"result":["ERR_JOB_CANCELLED","ERR_JOB_CANCELLED"]}')
      assert.deepEqual(stage.begun, ['a'])
      stage.job('a').done('too late')
      await until(() => stage.work.stats().search.running === 0)
    })

    it('one for which there is no room is refused, and the others go on', async () => {
      stage = await laneScene(
        async (ctx, { job }) => {
          const results = ['a', 'b', 'c'].map((name) => ctx.continuation.waitFor('database', job(name).job))
          ctx.body = (await Promise.allSettled(results)).map((settled) =>
            settled.status === 'fulfilled' ? settled.value : settled.reason.code,
          )
        },
        { database: { maxWaiting: 1 } },
      )
      const { asking } = await stage.park()
      for (const name of ['a', 'b']) stage.job(name).done(name)
      assert.equal((await asking).body, '["a","b","ERR_LANE_FULL"]')
    })
  })

  it('a lane that is full: 503 with Retry-After, and nothing is suspended', async () => {
    stage = await laneScene((ctx) => ctx.continuation.waitFor('database', () => 1), { database: { maxWaiting: 0 } })
    const running = stage.work.run('database', stage.job('a').job)
    const { status, headers } = await stage.get('/')
    assert.equal(status, 503)
    assert.match(String(headers['retry-after']), /^([1-9]|10)$/)
    assert.deepEqual(stage.heard.includes('onSuspend'), false)
    stage.errors.splice(0)
    stage.job('a').done(1)
    await running
  })

  it('over a limit of suspensions: the job is not run', async () => {
    stage = await laneScene((ctx, { job }) => inBody(ctx, () => ctx.continuation.waitFor('database', job('a').job)), {
      limits: { total: 0 },
    })
    assert.equal((await stage.get('/')).body, '{"error":"ERR_SUSPENSION_LIMIT"}')
    assert.deepEqual(stage.begun, [])
  })

  it('where it is illegal to wait, or with what is no job: it rejects, and the job is not run', async () => {
    stage = await laneScene(async (ctx, { job }) => {
      const { continuation } = ctx
      if (!continuation.isInitial()) {
        ctx.body = 'fine'
        return
      }
      const code = 'ERR_INVALID_OPTION'
      await assert.rejects(continuation.waitFor('database', 'SELECT' as never), { code })
      await assert.rejects(continuation.waitFor('database', job('a').job, { as: 'x' } as never), { code })
      await assert.rejects(continuation.waitFor('nowhere', job('a').job), { code: 'ERR_UNKNOWN_LANE' })
      await assert.rejects(continuation.waitFor(Symbol('database') as never, job('a').job), { code })
      continuation.suspend()
      await assert.rejects(continuation.waitFor('database', job('a').job), { code: 'ERR_ILLEGAL_STATE' })
    })
    const { asking, continuation } = await stage.park()
    await assert.rejects(continuation.waitFor('database', stage.job('a').job), { code: 'ERR_ILLEGAL_STATE' })
    continuation.resume()
    assert.equal((await asking).body, 'fine')
    assert.deepEqual(stage.begun, [])
  })

  it('one that the handler has let go of ends nothing but itself', async () => {
    stage = await laneScene((ctx, { job }) => {
      void ctx.continuation.waitFor('database', job('a').job)
      ctx.body = 'gone on'
    })
    assert.equal((await stage.get('/')).body, 'gone on')
    await until(() => stage.job('a').aborted === 'ERR_JOB_CANCELLED')
    stage.job('a').fail(new Error('nobody hears it'))
    await standing(0, 0)
  })

  it('nor does one that it asked the value of lanes() for', async () => {
    stage = await laneScene((ctx, { work, job }) => {
      void work.waitFor(ctx.continuation, 'database', job('a').job)
      void work.waitFor(ctx.continuation, 'nowhere' as never, job('b').job)
      ctx.body = 'gone on'
    })
    assert.equal((await stage.get('/')).body, 'gone on')
    assert.equal(stage.job('b').begun, 0)
    assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
    stage.job('a').done('A')
    await standing(0, 0)
  })
})
