import assert from 'node:assert/strict'
import type { Continuation } from '../../src/core/continuation.js'
import { until } from '../support/gate.js'
import { isre, type Scene, scene } from '../support/scene.js'

describe('predicates: initial, suspended, resumed, expired', () => {
  let stage: Scene
  let seen: string[]
  const see = (continuation: Continuation) => seen.push(isre(continuation))

  beforeEach(() => {
    seen = []
  })
  afterEach(() => stage.close())

  it('first dispatch, before suspend: I---', async () => {
    stage = await scene((ctx) => {
      see(ctx.continuation)
      ctx.body = ''
    })
    await stage.get('/')
    assert.deepEqual(seen, ['I---'])
  })

  it('suspended, same dispatch: IS--', async () => {
    stage = await scene((ctx) => {
      if (!ctx.continuation.isInitial()) return
      ctx.continuation.suspend()
      see(ctx.continuation)
    })
    const { asking, continuation } = await stage.park()
    continuation.complete()
    await asking
    assert.deepEqual(seen, ['IS--'])
  })

  it('suspended and resumed, same dispatch: ISR-; in the re-dispatch: --R-', async () => {
    stage = await scene((ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        continuation.suspend()
        continuation.resume()
      }
      see(continuation)
    })
    await stage.get('/')
    assert.deepEqual(seen, ['ISR-', '--R-'])
  })

  it('suspended and completed, same dispatch: IS--', async () => {
    stage = await scene((ctx) => {
      ctx.continuation.suspend()
      ctx.continuation.complete()
      see(ctx.continuation)
    })
    await stage.get('/')
    assert.deepEqual(seen, ['IS--'])
  })

  it('parked, asked from anywhere: -S--', async () => {
    stage = await scene((ctx) => {
      if (ctx.continuation.isInitial()) ctx.continuation.suspend()
    })
    const { asking, continuation } = await stage.park()
    see(continuation)
    continuation.resume()
    await asking
    assert.deepEqual(seen, ['-S--'])
  })

  it('in an onSuspend listener: -S--; once one before it has resumed: -SR-', async () => {
    stage = await scene((ctx) => {
      const { continuation } = ctx
      if (!continuation.isInitial()) return
      continuation.addContinuationListener({
        onSuspend: () => {
          see(continuation)
          continuation.resume()
        },
      })
      continuation.addContinuationListener({ onSuspend: see, onResume: see })
      continuation.suspend()
    })
    await stage.get('/')
    assert.deepEqual(seen, ['-S--', '-SR-', '--R-'])
  })

  it('after resume() of a parked request, before and in the re-dispatch: --R-', async () => {
    stage = await scene((ctx) => {
      if (ctx.continuation.isInitial()) ctx.continuation.suspend()
      else see(ctx.continuation)
    })
    const { asking, continuation } = await stage.park()
    continuation.resume()
    see(continuation)
    await asking
    assert.deepEqual(seen, ['--R-', '--R-'])
  })

  it('in an onTimeout listener: -S-E, whatever one before it called', async () => {
    stage = await scene((ctx) => {
      const { continuation } = ctx
      if (!continuation.isInitial()) return
      continuation.suspend(10)
      continuation.addContinuationListener({
        onTimeout: () => {
          see(continuation)
          continuation.complete()
          see(continuation)
        },
      })
      continuation.addContinuationListener({ onTimeout: see })
    })
    const { asking } = await stage.park()
    stage.clock.advance(10)
    await asking
    assert.deepEqual(seen, ['-S-E', '-S-E', '-S-E'])
  })

  for (const call of ['nothing', 'resume'] as const) {
    it(`re-dispatch after expiry, when a listener called ${call}: ---E`, async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          see(continuation)
          return
        }
        continuation.suspend(10)
        continuation.addContinuationListener({ onTimeout: () => call === 'resume' && continuation.resume() })
      })
      const { asking, continuation } = await stage.park()
      stage.clock.advance(10)
      see(continuation)
      await asking
      assert.deepEqual(seen, ['---E', '---E'])
    })
  }

  it('suspended again in a re-dispatch: -S--; resumed there as well: -SR-', async () => {
    let dispatches = 0
    stage = await scene((ctx) => {
      const { continuation } = ctx
      dispatches++
      if (dispatches === 3) return
      continuation.suspend()
      see(continuation)
      if (dispatches === 2) {
        continuation.resume()
        see(continuation)
      }
    })
    const { asking, continuation } = await stage.park()
    continuation.resume()
    await asking
    assert.deepEqual(seen, ['IS--', '-S--', '-SR-'])
  })

  it('wait(): isInitial() stays what it was, in every outcome', async () => {
    stage = await scene(async (ctx) => {
      const { continuation } = ctx
      see(continuation)
      await continuation.wait()
      see(continuation)
      await continuation.wait(10)
      see(continuation)
      await continuation.wait()
      see(continuation)
    })
    const { asking, continuation } = await stage.park()
    see(continuation)
    continuation.resume()
    await until(() => continuation.phase === 'suspended')
    stage.clock.advance(10)
    await until(() => continuation.phase === 'suspended')
    continuation.complete()
    await asking
    assert.deepEqual(seen, ['I---', 'IS--', 'I-R-', 'I--E', 'I---'])
  })

  describe('in onComplete', () => {
    const ends: Record<string, { act(continuation: Continuation): void; expected: string }> = {
      'after a resume cycle: --R-': { act: (continuation) => continuation.resume(), expected: '--R-' },
      'after an expiry: ---E': { act: () => stage.clock.advance(30_000), expected: '---E' },
      'after a complete: ----': { act: (continuation) => continuation.complete(), expected: '----' },
      'after a disconnect: ----': {
        act: (continuation) => continuation.context.req.socket.destroy(),
        expected: '----',
      },
    }
    for (const [title, { act, expected }] of Object.entries(ends)) {
      it(title, async () => {
        stage = await scene((ctx) => {
          const { continuation } = ctx
          if (!continuation.isInitial()) return
          continuation.suspend()
          continuation.addContinuationListener({ onComplete: see })
        })
        const { asking, continuation } = await stage.park()
        act(continuation)
        await asking.catch(() => {})
        await until(() => continuation.phase === 'ended')
        assert.deepEqual(seen, [expected])
      })
    }
  })
})
