import assert from 'node:assert/strict'
import { type Continuation, ContinuationManager, IllegalStateError, type Outcome } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { type Scene, scene } from '../support/scene.js'

describe('wait(): the awaiting style', () => {
  let stage: Scene
  let outcomes: Outcome[]
  beforeEach(() => {
    outcomes = []
  })
  afterEach(() => stage.close())

  const ends: Record<Outcome, (continuation: Continuation) => void> = {
    resumed: (continuation) => continuation.resume({ message: 'hello' }),
    expired: () => stage.clock.advance(30_000),
    completed: (continuation) => {
      continuation.context.body = 'from the publisher'
      continuation.complete()
    },
    disconnected: (continuation) => continuation.context.req.socket.destroy(),
  }

  for (const [outcome, act] of Object.entries(ends)) {
    it(`resolves inside the same handler to '${outcome}', without a re-dispatch`, async () => {
      let dispatches = 0
      const left = gate()
      stage = await scene(async (ctx) => {
        dispatches++
        const outcome = await ctx.continuation.wait()
        outcomes.push(outcome)
        if (outcome !== 'completed') ctx.body = `${outcome} ${ctx.continuation.getAttribute('message') ?? ''}`
        left.open()
      })
      const { asking, continuation } = await stage.park()
      act(continuation)
      await left
      if (outcome === 'disconnected') await assert.rejects(asking)
      else {
        const expected = { resumed: 'resumed hello', expired: 'expired ', completed: 'from the publisher' }[outcome]
        assert.equal((await asking).body, expected)
      }
      await until(() => continuation.phase === 'ended')
      assert.deepEqual(outcomes, [outcome])
      assert.equal(dispatches, 1)
      const decided = { resumed: ['onResume'], expired: ['onTimeout'], disconnected: ['onDisconnect'] }[outcome] ?? []
      assert.deepEqual(stage.heard, ['onSuspend', ...decided, 'onComplete'])
    })
  }

  it('may be called again, with another timeout each time, counted from the call', async () => {
    stage = await scene(async (ctx) => {
      outcomes.push(await ctx.continuation.wait(10), await ctx.continuation.wait(20), await ctx.continuation.wait())
      ctx.body = outcomes.join()
    })
    const { asking, continuation } = await stage.park()
    assert.equal(stage.clock.next, 10)
    stage.clock.advance(10)
    await until(() => stage.clock.next === 20)
    continuation.resume()
    await until(() => stage.clock.next === 30_000)
    stage.clock.advance(30_000)
    assert.equal((await asking).body, 'expired,resumed,expired')
  })

  it('may be followed by a suspend(), and comes again in the re-dispatch', async () => {
    stage = await scene(async (ctx) => {
      const { continuation } = ctx
      outcomes.push(await continuation.wait())
      if (continuation.isInitial()) continuation.suspend()
      else ctx.body = 'done'
    })
    const { asking, continuation } = await stage.park()
    continuation.resume()
    await until(() => outcomes.length === 1 && continuation.phase === 'suspended')
    continuation.resume()
    await until(() => continuation.phase === 'suspended')
    stage.clock.advance(30_000)
    assert.equal((await asking).body, 'done')
    assert.deepEqual(outcomes, ['resumed', 'expired'])
  })

  it('fail() rejects it with the error, which takes its way through the handler', async () => {
    stage = await scene(async (ctx) => {
      await ctx.continuation.wait()
      ctx.body = 'not reached'
    })
    const { asking, continuation } = await stage.park()
    assert.equal(continuation.fail(Object.assign(new Error('revoked'), { status: 403, expose: true })), true)
    const answer = await asking
    assert.deepEqual([answer.status, answer.body], [403, 'revoked'])
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onSuspend', 'onError', 'onComplete'])
  })

  it('is kept by managers, stashed before it or while it waits', async () => {
    const clients = new ContinuationManager()
    stage = await scene(async (ctx) => {
      clients.stash(ctx.continuation, 'before')
      const waiting = ctx.continuation.wait()
      clients.stash(ctx.continuation, 'while')
      ctx.body = await waiting
    })
    const { asking, continuation } = await stage.park()
    assert.deepEqual([...clients.keys()], ['before', 'while'])
    assert.equal(clients.size, 1)
    assert.equal(clients.get(continuation.id), continuation)
    assert.equal(clients.resume('before'), 1)
    assert.deepEqual([...clients.keys()], [])
    assert.equal((await asking).body, 'resumed')
  })

  it('in a onTimeout listener a decision is its outcome: setTimeout keeps it waiting, complete ends it', async () => {
    let times = 0
    stage = await scene(async (ctx) => {
      ctx.continuation.addContinuationListener({
        onTimeout: (continuation) => {
          if (++times === 1) continuation.setTimeout(5)
          else continuation.complete()
        },
      })
      outcomes.push(await ctx.continuation.wait(10))
      ctx.body = 'done'
    })
    const { asking } = await stage.park()
    stage.clock.advance(10)
    assert.deepEqual(outcomes, [])
    stage.clock.advance(5)
    assert.equal((await asking).body, 'done')
    assert.deepEqual(outcomes, ['completed'])
  })

  it('a handler that returns while its wait() is pending has ended the request: nobody keeps it', async () => {
    const clients = new ContinuationManager()
    let waiting: Promise<Outcome> | undefined
    stage = await scene((ctx) => {
      waiting = ctx.continuation.wait()
      clients.stash(ctx.continuation)
      ctx.body = 'could not wait'
    })
    assert.equal((await stage.get('/')).body, 'could not wait')
    assert.equal(await waiting, 'completed')
    assert.equal(clients.size, 0)
    assert.equal(stage.clock.timers, 0)
  })

  it('a handler that throws while its wait() is pending: the error, and nobody keeps it', async () => {
    const clients = new ContinuationManager()
    stage = await scene((ctx) => {
      void ctx.continuation.wait()
      clients.stash(ctx.continuation)
      throw new Error('thrown')
    })
    assert.equal((await stage.get('/')).status, 500)
    assert.equal(clients.size, 0)
    assert.equal(stage.clock.timers, 0)
  })

  it('after the client has left: disconnected at once', async () => {
    const begun = gate()
    stage = await scene(async (ctx) => {
      const left = new Promise((resolve) => ctx.res.once('close', resolve))
      begun.open()
      await left
      outcomes.push(await ctx.continuation.wait())
    })
    const asking = stage.get('/')
    await begun
    asking.request.destroy()
    await until(() => outcomes.length === 1)
    assert.deepEqual(outcomes, ['disconnected'])
    await until(() => stage.continuation.phase === 'ended')
  })

  const over = { completed: /its answer is decided/, disconnected: /its client has left/ }
  for (const [outcome, message] of Object.entries(over) as [keyof typeof over, RegExp][]) {
    it(`where it came to '${outcome}', no other is begun: the error says why`, async () => {
      const tried = gate()
      stage = await scene(async ({ continuation }) => {
        assert.equal(await continuation.wait(), outcome)
        await assert.rejects(continuation.wait(), { code: 'ERR_ILLEGAL_STATE', message })
        assert.throws(() => continuation.suspend(), { code: 'ERR_ILLEGAL_STATE', message })
        tried.open()
      })
      const { asking, continuation } = await stage.park()
      ends[outcome](continuation)
      await tried
      if (outcome === 'completed') assert.equal((await asking).body, 'from the publisher')
      else await assert.rejects(asking)
      assert.deepEqual(stage.errors, [])
    })
  }

  it('where suspend() would throw, it rejects; a rejection that nobody awaits does not end the process', async () => {
    stage = await scene(async (ctx) => {
      const { continuation } = ctx
      await assert.rejects(continuation.wait('5' as unknown as number), { code: 'ERR_INVALID_OPTION' })
      void continuation.wait(Number.NaN)
      continuation.suspend()
      await assert.rejects(continuation.wait(), IllegalStateError)
      continuation.resume()
    })
    assert.equal((await stage.get('/')).status, 500)
    assert.equal(stage.errors.length, 1)
  })
})
