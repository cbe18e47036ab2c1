import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import Koa from 'koa'
import { lanes } from '../../src/flow/lanes.js'
import { continuations, suspendable } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { isre } from '../support/scene.js'
import { type Answer, type Served, serve } from '../support/serve.js'
import { type LaneScene, laneScene } from './lane-scene.js'

const idle = { running: 0, waiting: 0, abandoned: 0 }

/** One job by the name in the path, with the priority in the query; its result is the body. */
function oneJob(ctx: Koa.Context, { job }: LaneScene): void {
  const { continuation, path, query } = ctx
  if (continuation.isInitial()) {
    continuation.returnWhen('database', job(path).job, { priority: Number(query['priority'] ?? 0) })
  } else ctx.body = { result: continuation.resultOf('database'), isre: isre(continuation) }
}

describe('returnWhen', () => {
  let stage: LaneScene
  afterEach(async () => {
    await stage?.close()
    assert.deepEqual(stage.errors, [])
    assert.deepEqual(stage.work.stats(), { database: idle, search: idle })
    assert.equal(stage.clock.timers, 0)
  })

  const json = ({ status, body }: Answer): unknown => [status, JSON.parse(body)]
  const standing = async (running: number, waiting: number): Promise<void> =>
    until(() => {
      const { database } = stage.work.stats()
      return database.running === running && database.waiting === waiting
    })

  it('runs the job with room: the handler is dispatched again with the result', async () => {
    stage = await laneScene(oneJob)
    const { asking, continuation } = await stage.park('/a')
    assert.equal(stage.job('/a').begun, 1)
    stage.job('/a').done('A')
    assert.deepEqual(json(await asking), [200, { result: 'A', isre: '--R-' }])
    assert.deepEqual(continuation.getAttribute('database'), { status: 'fulfilled', value: 'A' })
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onSuspend', 'onResume', 'onComplete'])
  })

  describe('interleavings', () => {
    it('priority: those in line go by it, then by arrival, whoever came in between', async () => {
      stage = await laneScene(oneJob)
      const asking = [stage.get('/first')]
      await standing(1, 0)
      for (const [place, path] of ['/low?priority=-1', '/a', '/high?priority=9', '/b'].entries()) {
        asking.push(stage.get(path))
        await standing(1, place + 1)
      }
      for (const path of ['/first', '/high', '/a', '/b', '/low']) {
        await until(() => stage.begun.at(-1) === path)
        stage.job(path).done(path)
      }
      await Promise.all(asking)
      assert.deepEqual(stage.begun, ['/first', '/high', '/a', '/b', '/low'])
    })

    it('priority: by default that of the continuation', async () => {
      stage = await laneScene((ctx, { job }) => {
        ctx.continuation.priority = Number(ctx.query['mine'])
        if (ctx.continuation.isInitial()) ctx.continuation.returnWhen('database', job(ctx.path).job)
        else ctx.body = 'done'
      })
      const asking = [stage.get('/first?mine=0')]
      await standing(1, 0)
      asking.push(stage.get('/low?mine=1'))
      await standing(1, 1)
      asking.push(stage.get('/high?mine=2'))
      await standing(1, 2)
      for (const path of ['/first', '/high', '/low']) stage.job(path).done(1)
      await Promise.all(asking)
      assert.deepEqual(stage.begun, ['/first', '/high', '/low'])
    })

    for (const [how, fails] of Object.entries<(error: Error) => unknown>({
      'throws at once': (error) => {
        throw error
      },
      'rejects later': (error) => Promise.reject(error),
    })) {
      it(`error: a job ${how}: resultOf() throws it, Koa answers by it, and the lane goes on`, async () => {
        const teapot = Object.assign(new Error('short and stout'), { status: 418, expose: true })
        stage = await laneScene((ctx) => {
          const { continuation } = ctx
          if (continuation.isInitial()) continuation.returnWhen('database', () => fails(teapot))
          else ctx.body = continuation.resultOf('database')
        })
        for (let time = 0; time < 3; time++) {
          const { status, body } = await stage.get('/')
          assert.deepEqual([status, body], [418, 'short and stout'])
        }
        assert.deepEqual(stage.errors.splice(0), [teapot, teapot, teapot])
      })
    }

    it('error: as an attribute, for a handler that goes on with it', async () => {
      stage = await laneScene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) continuation.returnWhen('database', () => Promise.reject('no error at all'))
        else ctx.body = continuation.getAttribute('database') as object
      })
      assert.deepEqual(json(await stage.get('/')), [200, { status: 'rejected', reason: 'no error at all' }])
    })

    it('error: the handler throws after it: the client gets that at once, and the job is cancelled', async () => {
      stage = await laneScene((ctx, { job }) => {
        ctx.continuation.returnWhen('database', job('a').job)
        ctx.throw(400, 'after all not')
      })
      assert.equal((await stage.get('/')).status, 400)
      assert.equal(stage.errors.splice(0).length, 1)
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
      await standing(1, 0)
      stage.job('a').done('nobody hears it')
      await standing(0, 0)
    })

    it('timeout while in line: the job leaves and never runs, the handler is expired; resultOf() is a 503', async () => {
      stage = await laneScene((ctx, scene) => {
        if (ctx.query['time']) ctx.continuation.setTimeout(Number(ctx.query['time']))
        oneJob(ctx, scene)
      })
      const first = stage.get('/a')
      await standing(1, 0)
      const { asking, continuation } = await stage.park('/b?time=100')
      const third = stage.get('/c')
      await standing(1, 2)
      stage.clock.advance(100)
      const { status, headers, body } = await asking
      assert.deepEqual([status, body], [503, 'The time was up before the job in the lane database was done'])
      assert.match(String(headers['retry-after']), /^([1-9]|10)$/)
      assert.equal(isre(continuation), '---E')
      await standing(1, 1)
      for (const [path, other] of [
        ['/a', first],
        ['/c', third],
      ] as const) {
        stage.job(path).done(path)
        assert.equal((await other).status, 200)
      }
      assert.deepEqual(stage.begun, ['/a', '/c'])
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_JOB_CANCELLED')
    })

    it('timeout while it runs: its signal is aborted, and what it says then changes nothing', async () => {
      const looks = gate()
      stage = await laneScene(
        async (ctx, { job }) => {
          const { continuation } = ctx
          if (continuation.isInitial()) {
            continuation.returnWhen('database', job('a').job)
            return
          }
          const before = continuation.getAttribute('database')
          job('a').done('too late')
          await standing(0, 0)
          looks.open()
          assert.equal(continuation.getAttribute('database'), before)
          ctx.body = { expired: continuation.isExpired(), ...(before as object) }
        },
        { timeout: 100 },
      )
      const { asking } = await stage.park()
      stage.clock.advance(100)
      await looks
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
      const [status, body] = json(await asking) as [number, { expired: boolean; status: string; reason: object }]
      assert.deepEqual([status, body.expired, body.status], [200, true, 'rejected'])
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
    })

    it('timeout: an onTimeout listener that extends the wait keeps the job', async () => {
      stage = await laneScene(
        (ctx, scene) => {
          if (ctx.continuation.isInitial()) {
            let times = 0
            ctx.continuation.addContinuationListener({
              onTimeout: ({ setTimeout: _, ...rest }) => rest,
            })
            ctx.continuation.addContinuationListener({
              onTimeout: (continuation) => times++ === 0 && continuation.setTimeout(100),
            })
          }
          oneJob(ctx, scene)
        },
        { timeout: 100 },
      )
      const { asking } = await stage.park('/a')
      stage.clock.advance(150)
      assert.equal(stage.job('/a').aborted, undefined)
      stage.job('/a').done('A')
      assert.deepEqual(json(await asking), [200, { result: 'A', isre: '--R-' }])
    })

    it('the job’s own time is up first: the handler is resumed with that error', async () => {
      stage = await laneScene(oneJob, { database: { timeout: 50, grace: 10 } })
      const { asking } = await stage.park('/a')
      stage.clock.advance(50)
      assert.equal((await asking).status, 503)
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_LANE_TIMEOUT')
      assert.deepEqual(stage.work.stats().database, { running: 1, waiting: 0, abandoned: 0 })
      stage.clock.advance(10)
      assert.deepEqual(stage.work.stats().database, { running: 0, waiting: 0, abandoned: 1 })
      stage.job('/a').done('at last')
      await until(() => stage.work.stats().database.abandoned === 0)
    })

    it('disconnect while in line: the job leaves and never runs; those behind it move up', async () => {
      stage = await laneScene(oneJob)
      const first = stage.get('/a')
      await standing(1, 0)
      const leaver = stage.get('/b')
      await standing(1, 1)
      const third = stage.get('/c')
      await standing(1, 2)
      leaver.request.destroy()
      await standing(1, 1)
      stage.job('/a').done('A')
      await first
      stage.job('/c').done('C')
      assert.deepEqual(json(await third), [200, { result: 'C', isre: '--R-' }])
      assert.deepEqual(stage.begun, ['/a', '/c'])
    })

    for (const looked of [false, true]) {
      it(`disconnect while it runs${looked ? ', and somebody has its signal' : ''}: its signal is aborted, no dispatch follows, and the place is free when it has settled`, async () => {
        let dispatches = 0
        stage = await laneScene((ctx, scene) => {
          dispatches++
          return oneJob(ctx, scene)
        })
        const { asking, continuation } = await stage.park('/a')
        const next = stage.get('/b')
        await standing(1, 1)
        if (looked) assert.equal(continuation.signal.aborted, false)
        asking.request.destroy()
        await until(() => continuation.phase === 'ended')
        assert.equal(stage.job('/a').aborted, 'ERR_CLIENT_DISCONNECTED')
        assert.equal(stage.job('/a').signal?.reason, continuation.signal.reason)
        assert.deepEqual(stage.begun, ['/a'])
        stage.job('/a').fail(new Error('stopped'))
        await until(() => stage.begun.length === 2)
        stage.job('/b').done('B')
        assert.equal((await next).status, 200)
        // once of the first, twice of the second
        assert.equal(dispatches, 3)
      })
    }

    it('disconnect before it: the job is not run', async () => {
      const tried = gate()
      const entered = gate()
      stage = await laneScene(async (ctx, scene) => {
        entered.open()
        await until(() => ctx.res.destroyed)
        oneJob(ctx, scene)
        tried.open()
      })
      const asking = stage.get('/a')
      await entered
      asking.request.destroy()
      await tried
      await until(() => stage.continuation.phase === 'ended')
      assert.deepEqual(stage.begun, [])
    })

    it('re-suspend: the next dispatch asks for another job, of the same name and of another', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        const said = () => ['database', 'search'].map((name) => continuation.getAttribute(name))
        if (continuation.isInitial()) continuation.returnWhen('database', job('a').job)
        else if (ctx.state.second === undefined) {
          ctx.state.second = said()
          continuation.returnWhen('database', job('b').job)
          continuation.returnWhen('search', job('c').job)
          ctx.state.between = said()
        } else ctx.body = [ctx.state.second, ctx.state.between, said()]
      })
      const asking = stage.get('/')
      await standing(1, 0)
      stage.job('a').done('A')
      await until(() => stage.begun.length === 3)
      stage.job('b').done('B')
      await standing(0, 0)
      stage.job('c').done('C')
      const was = (value: unknown) => ({ status: 'fulfilled', value })
      assert.deepEqual(json(await asking), [
        200,
        [
          [was('A'), null],
          [null, null],
          [was('B'), was('C')],
        ],
      ])
    })

    it('re-suspend after an expiry: the job that was cancelled has no say in the new one', async () => {
      stage = await laneScene(
        (ctx, { job }) => {
          const { continuation } = ctx
          if (continuation.isInitial()) continuation.returnWhen('database', job('a').job)
          else if (continuation.isExpired()) continuation.returnWhen('database', job('b').job)
          else ctx.body = continuation.resultOf('database')
        },
        { timeout: 100 },
      )
      const { asking, continuation } = await stage.park()
      stage.clock.advance(100)
      await standing(1, 1)
      await until(() => continuation.phase === 'suspended')
      stage.job('a').done('A')
      await until(() => stage.begun.length === 2)
      assert.equal(continuation.phase, 'suspended')
      stage.job('b').done('B')
      assert.equal((await asking).body, 'B')
    })

    it('somebody else resumes: the job is cancelled, whether it runs or waits', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.returnWhen('database', job('a').job, { as: 'one' })
          continuation.returnWhen('database', job('b').job, { as: 'two' })
        } else {
          ctx.body = ['one', 'two'].map((name) => {
            try {
              return continuation.resultOf(name)
            } catch (error) {
              return `${isre(continuation)} ${(error as Error).message}`
            }
          })
        }
      })
      const { asking, continuation } = await stage.park()
      continuation.resume()
      const message = '--R- The request went on before the job in the lane database was done'
      assert.deepEqual(json(await asking), [200, [message, message]])
      assert.deepEqual(stage.begun, ['a'])
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
      stage.job('a').done('too late')
      await standing(0, 0)
    })

    for (const end of ['complete', 'fail'] as const) {
      it(`somebody else says ${end}(): the job is cancelled, and there is no dispatch`, async () => {
        stage = await laneScene(oneJob)
        const { asking, continuation } = await stage.park('/a')
        continuation.context.body = 'as it is'
        if (end === 'complete') continuation.complete()
        else continuation.fail(Object.assign(new Error('revoked'), { status: 403, expose: true }))
        const { status, body } = await asking
        assert.deepEqual([status, body], end === 'complete' ? [200, 'as it is'] : [403, 'revoked'])
        stage.errors.splice(0)
        assert.equal(stage.job('/a').aborted, 'ERR_JOB_CANCELLED')
        stage.job('/a').done('too late')
        await standing(0, 0)
      })
    }

    it('resumed before the return, then another job: it is not run', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.suspend()
          continuation.resume()
          continuation.returnWhen('database', job('a').job)
        } else ctx.body = 'resumed'
      })
      assert.equal((await stage.get('/')).body, 'resumed')
      assert.deepEqual(stage.begun, [])
    })

    it('the same in a later dispatch: an earlier result is not taken for its own', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        if (continuation.isInitial()) continuation.returnWhen('database', () => 'A')
        else if (ctx.state.first === undefined) {
          ctx.state.first = continuation.resultOf('database')
          continuation.suspend()
          continuation.resume()
          continuation.returnWhen('database', job('b').job)
        } else ctx.body = continuation.resultOf('database')
      })
      const { status, body } = await stage.get('/')
      assert.deepEqual([status, body], [503, 'The request went on before the job in the lane database was done'])
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_JOB_CANCELLED')
      assert.equal(stage.continuation.context.state.first, 'A')
      assert.deepEqual(stage.begun, [])
    })

    it('a job that decides by itself, at once: it is cancelled, and its place is free when it has settled', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        ctx.body = 'as it is'
        continuation.returnWhen('database', (signal) => {
          continuation.complete()
          return job('a').job(signal)
        })
      })
      assert.equal((await stage.get('/')).body, 'as it is')
      assert.equal(stage.job('a').aborted, 'ERR_JOB_CANCELLED')
      stage.job('a').done(1)
      await standing(0, 0)
    })
  })

  describe('several jobs', () => {
    const fanOut = (ctx: Koa.Context, { job }: LaneScene): void => {
      const { continuation } = ctx
      const names = ['a', 'b', 'c']
      if (continuation.isInitial()) {
        continuation.suspend(1_000)
        for (const as of names) continuation.returnWhen('search', job(as).job, { as })
      } else ctx.body = { isre: isre(continuation), all: names.map((name) => continuation.getAttribute(name)) }
    }

    it('the handler comes again when all are done, in whatever order, well or not', async () => {
      stage = await laneScene(fanOut)
      const { asking, continuation } = await stage.park()
      assert.deepEqual(stage.begun, ['a', 'b'])
      stage.job('b').fail('B')
      await until(() => stage.begun.length === 3)
      stage.job('c').done('C')
      await until(() => continuation.getAttribute('c') !== undefined)
      assert.equal(continuation.phase, 'suspended')
      stage.job('a').done('A')
      const all = [
        { status: 'fulfilled', value: 'A' },
        { status: 'rejected', reason: 'B' },
        { status: 'fulfilled', value: 'C' },
      ]
      assert.deepEqual(json(await asking), [200, { isre: '--R-', all }])
    })

    it('or when the time is up, with what there is: as long as suspend() said', async () => {
      stage = await laneScene(fanOut)
      const { asking, continuation } = await stage.park()
      stage.job('a').done('A')
      await until(() => stage.begun.length === 3)
      assert.equal(stage.clock.next, 1_000)
      stage.clock.advance(1_000)
      const [, { isre, all }] = json(await asking) as [number, { isre: string; all: { status: string }[] }]
      assert.equal(isre, '---E')
      assert.deepEqual(
        all.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected'],
      )
      assert.deepEqual(
        ['b', 'c'].map((name) => stage.job(name).aborted),
        ['ERR_JOB_CANCELLED', 'ERR_JOB_CANCELLED'],
      )
      for (const name of ['b', 'c']) stage.job(name).done(1)
      await until(() => stage.work.stats().search.running === 0)
      assert.equal(continuation.getAttribute('a') !== undefined, true)
    })

    it('one that is done before the handler asks for the next does not wake it too early', async () => {
      stage = await laneScene(async (ctx, { job, work }) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          ctx.body = [continuation.resultOf('one'), continuation.resultOf('two')]
          return
        }
        continuation.returnWhen('search', () => 1, { as: 'one' })
        await until(() => work.stats().search.running === 0)
        continuation.returnWhen('search', job('two').job, { as: 'two' })
      })
      const { asking } = await stage.park()
      assert.equal(stage.continuation.phase, 'suspended')
      stage.job('two').done(2)
      assert.deepEqual(json(await asking), [200, [1, 2]])
    })

    it('all done before the handler has returned: it comes again after the return', async () => {
      stage = await laneScene(async (ctx, { work }) => {
        if (!ctx.continuation.isInitial()) {
          ctx.body = ctx.continuation.resultOf('search')
          return
        }
        ctx.continuation.returnWhen('search', () => 1)
        await until(() => work.stats().search.running === 0)
        assert.equal(ctx.continuation.phase, 'suspending')
      })
      assert.equal((await stage.get('/')).body, '1')
    })

    it('two of one name in one dispatch: an error that names the way out', async () => {
      stage = await laneScene((ctx, { job }) => {
        const { continuation } = ctx
        continuation.returnWhen('search', job('a').job)
        continuation.returnWhen('search', job('b').job)
      })
      assert.equal((await stage.get('/')).status, 500)
      const [error] = stage.errors.splice(0) as { code?: string; message?: string }[]
      assert.equal(error?.code, 'ERR_DUPLICATE_JOB')
      assert.match(error?.message ?? '', /\{ as \}/)
      assert.deepEqual(stage.begun, ['a'])
      stage.job('a').done(1)
      await until(() => stage.work.stats().search.running === 0)
    })
  })

  describe('too many', () => {
    it('503 with Retry-After, nothing suspended: a handler may answer by itself', async () => {
      stage = await laneScene(
        (ctx, scene) => {
          try {
            oneJob(ctx, scene)
          } catch (error) {
            if (ctx.query['by'] !== 'itself') throw error
            ctx.body = `${isre(ctx.continuation)} busy`
          }
        },
        { database: { maxWaiting: 1 } },
      )
      const held = [stage.get('/a')]
      await standing(1, 0)
      held.push(stage.get('/b'))
      await standing(1, 1)
      const { status, headers, body } = await stage.get('/c')
      assert.deepEqual([status, body], [503, 'Cannot take another job into the lane database: 1 is already waiting'])
      assert.match(String(headers['retry-after']), /^\d+$/)
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_LANE_FULL')
      assert.equal((await stage.get('/d?by=itself')).body, 'I--- busy')
      for (const path of ['/a', '/b']) stage.job(path).done(path)
      for (const asking of held) assert.equal((await asking).status, 200)
      assert.deepEqual(stage.begun, ['/a', '/b'])
    })

    it('over a limit of suspensions: the job is not run', async () => {
      stage = await laneScene(oneJob, { limits: { total: 0 } })
      assert.equal((await stage.get('/a')).status, 503)
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_SUSPENSION_LIMIT')
      assert.deepEqual(stage.begun, [])
    })

    it('a lane that is closed: 503', async () => {
      stage = await laneScene(oneJob)
      await stage.work.close()
      assert.equal((await stage.get('/a')).status, 503)
      assert.equal((stage.errors.splice(0)[0] as { code?: string }).code, 'ERR_LANE_CLOSED')
    })
  })

  it('a job and the next dispatch are in the request’s async context, also where the job had to wait', async () => {
    const who = new AsyncLocalStorage<string>()
    stage = await laneScene((ctx, { job }) =>
      who.run(who.getStore() ?? ctx.path, () => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.returnWhen('database', async (signal) => {
            const name = who.getStore() as string
            await job(name).job(signal)
            return `${name} ${who.getStore()}`
          })
        } else ctx.body = `${continuation.resultOf('database')} ${who.getStore()}`
      }),
    )
    const asking = [stage.get('/a')]
    await standing(1, 0)
    asking.push(stage.get('/b'))
    await standing(1, 1)
    for (const name of ['/a', '/b']) stage.job(name).done(1)
    assert.deepEqual(
      (await Promise.all(asking)).map(({ body }) => body),
      ['/a /a /a', '/b /b /b'],
    )
  })

  it('resultOf() without such a job, or before it is done: IllegalStateError', async () => {
    stage = await laneScene((ctx, { job }) => {
      const { continuation } = ctx
      const code = 'ERR_ILLEGAL_STATE'
      assert.throws(() => continuation.resultOf('nothing'), { code, message: /There is no job nothing/ })
      if (!continuation.isInitial()) {
        ctx.body = 'fine'
        return
      }
      continuation.returnWhen('database', job('a').job)
      assert.throws(() => continuation.resultOf('database'), { code, phase: 'suspending' })
    })
    const { asking } = await stage.park()
    stage.job('a').done(1)
    assert.equal((await asking).body, 'fine')
  })

  it('where it is illegal to suspend, or with what is no job: an error, and the job is not run', async () => {
    stage = await laneScene((ctx, { job }) => {
      const { continuation } = ctx
      if (!continuation.isInitial()) {
        ctx.body = 'fine'
        return
      }
      const code = 'ERR_INVALID_OPTION'
      assert.throws(() => continuation.returnWhen('database', 'SELECT' as never), { code })
      assert.throws(() => continuation.returnWhen('database', job('a').job, { as: 5 as never }), { code })
      assert.throws(() => continuation.returnWhen('database', job('a').job, { priority: '5' as never }), { code })
      assert.throws(() => continuation.returnWhen('database', job('a').job, { name: 'x' } as never), { code })
      assert.throws(() => continuation.returnWhen(Symbol('database') as never, job('a').job), { code })
      assert.equal(isre(continuation), 'I---')
      continuation.suspend()
    })
    const { asking, continuation } = await stage.park()
    assert.throws(() => continuation.returnWhen('database', stage.job('a').job), { code: 'ERR_ILLEGAL_STATE' })
    continuation.resume()
    assert.equal((await asking).body, 'fine')
    assert.throws(() => continuation.returnWhen('database', stage.job('a').job), { code: 'ERR_ILLEGAL_STATE' })
    assert.deepEqual(stage.begun, [])
  })
})

describe('lanes()', () => {
  let served: Served
  afterEach(() => served?.close())

  const answers =
    (lane: string): Koa.Middleware =>
    async (ctx) => {
      try {
        ctx.body = `${await ctx.continuation.waitFor(lane, () => 'ran')}`
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        ctx.body = `${code}: ${message}`
      }
    }
  const none = 'ERR_UNKNOWN_LANE: There is no lane search: put app.use(lanes({ search: … })) above the handler'

  it('none above the handler: an error that says what to add', async () => {
    served = await serve(new Koa().use(continuations()).use(answers('search')))
    assert.equal((await served.get('/')).body, none)
  })

  it('none of this name: the error says which there are', async () => {
    const app = new Koa()
      .use(continuations())
      .use(lanes({ a: { concurrency: 1 } }))
      .use(lanes({ b: { concurrency: 1 } }))
    served = await serve(app.use(answers('search')))
    assert.equal((await served.get('/')).body, `${none}, where there are a, b`)
  })

  it('a request comes by the same lanes in every dispatch, and knows them once', async () => {
    const app = new Koa().use(continuations()).use(lanes({ a: { concurrency: 1 } }))
    app.use(async (ctx, next) => {
      if (ctx.continuation.isInitial()) ctx.continuation.returnWhen('a', () => 1)
      else await answers('search')(ctx as never, next)
    })
    served = await serve(app)
    assert.equal((await served.get('/')).body, `${none}, where there is a`)
  })

  it('may stand above continuations(), below it, or around a suspendable()', async () => {
    const [above, below, around] = ['above', 'below', 'around'].map((name) => lanes({ [name]: { concurrency: 1 } }))
    const app = new Koa()
      .use(above as Koa.Middleware)
      .use(continuations())
      .use(below as Koa.Middleware)
    app.use((ctx, next) => (around as Koa.Middleware)(ctx, next))
    app.use((ctx, next) => suspendable(answers(ctx.path.slice(1)))(ctx as never, next))
    served = await serve(app)
    for (const name of ['above', 'below', 'around']) assert.equal((await served.get(`/${name}`)).body, 'ran')
  })

  it('of two lanes of one name the nearest to the handler is meant, in every dispatch', async () => {
    const [far, near] = [lanes({ a: { concurrency: 1 }, far: { concurrency: 1 } }), lanes({ a: { concurrency: 1 } })]
    const ran: string[] = []
    const job = (): void => {
      ran.push(`${far.stats().a.running}${near.stats().a.running}${far.stats().far.running}`)
    }
    const app = new Koa().use(continuations()).use(far).use(near)
    app.use((ctx) => {
      const names = ['a', 'far', 'a'] as const
      const name = names[ran.length]
      if (name === undefined) ctx.body = ran
      else ctx.continuation.returnWhen(name, job)
    })
    served = await serve(app)
    assert.equal((await served.get('/')).body, JSON.stringify(['010', '001', '010']))
  })

  it('the value itself runs jobs too, for requests and for none, and shows how its lanes stand', async () => {
    const work = lanes({ mail: { concurrency: 1 }, news: { concurrency: 3, maxWaiting: 5 } })
    const held = gate()
    const running = work.run('mail', () => held)
    assert.deepEqual(work.stats(), {
      mail: { running: 1, waiting: 0, abandoned: 0 },
      news: { running: 0, waiting: 0, abandoned: 0 },
    })
    const { inspect } = await import('node:util')
    const shown = 'Lanes { mail: 1 of 1 running, 0 of 1000 waiting; news: 0 of 3 running, 0 of 5 waiting }'
    assert.equal(inspect(work), shown)
    const closed = work.close()
    await assert.rejects(
      work.run('news', () => 1),
      { code: 'ERR_LANE_CLOSED' },
    )
    held.open()
    await Promise.all([running, closed])
    await assert.rejects(
      work.run('post' as never, () => 1),
      { code: 'ERR_INVALID_OPTION', message: /one of mail, news/ },
    )

    const own = lanes({ a: { concurrency: 1 } })
    const app = new Koa().use(continuations())
    app.use(async (ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) own.returnWhen(continuation, 'a', () => 1)
      else ctx.body = [continuation.resultOf('a'), await own.waitFor(continuation, 'a', () => 2)]
    })
    served = await serve(app)
    assert.equal((await served.get('/')).body, '[1,2]')
  })

  it('wrong definitions: errors with a code', () => {
    const code = 'ERR_INVALID_OPTION'
    for (const wrong of [undefined, null, {}, 'database', { a: 4 }, { a: { concurrency: 0 } }]) {
      assert.throws(() => lanes(wrong as never), { code })
    }
    assert.throws(() => lanes({ a: { concurrency: 1 } }, { timeout: 5 } as never), { code })
    assert.throws(() => lanes({ a: { concurrency: 1 } }, { random: 5 } as never), { code })
    for (const clock of [{}, null, 5, { ...new ManualClock(), afterJobs: undefined }]) {
      assert.throws(() => lanes({ a: { concurrency: 1 } }, { clock } as never), { name: 'TypeError', code })
    }
  })
})
