import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import type Koa from 'koa'
import { type Continuation, lifeOf } from '../../src/core/continuation.js'
import { IllegalStateError } from '../../src/index.js'
import { BareHost } from '../support/bare-host.js'
import { gate, until } from '../support/gate.js'
import { forEachKoa } from '../support/koas.js'
import { recorder, type Scene, scene } from '../support/scene.js'

/** A handler that suspends the first time, and then shows what it got. */
const plain = (ctx: { continuation: Continuation; body: unknown }): void => {
  const { continuation } = ctx
  if (continuation.isInitial()) continuation.suspend()
  else ctx.body = continuation.isExpired() ? 'expired' : `resumed ${continuation.getAttribute('message') ?? ''}`
}

const illegal = (phase: string) => (error: unknown) =>
  error instanceof IllegalStateError && error.code === 'ERR_ILLEGAL_STATE' && error.phase === phase

const invalid = { name: 'TypeError', code: 'ERR_INVALID_OPTION' }

describe('calls', () => {
  let stage: Scene
  afterEach(() => stage.close())

  describe('suspend', () => {
    it('does not leave the handler: it runs on to its end, and the response stays open and uncommitted', async () => {
      let ranOn = false
      stage = await scene((ctx) => {
        if (!ctx.continuation.isInitial()) return
        ctx.continuation.suspend()
        ranOn = true
      })
      const { asking, continuation } = await stage.park()
      assert.equal(ranOn, true)
      assert.equal(continuation.context.res.headersSent, false)
      assert.equal(continuation.context.res.writableEnded, false)
      continuation.complete()
      await asking
    })

    it('twice in a dispatch: IllegalStateError that prints the phase', async () => {
      stage = await scene((ctx) => {
        ctx.continuation.suspend()
        assert.throws(() => ctx.continuation.suspend(), illegal('suspending'))
        assert.throws(() => ctx.continuation.suspend(), /suspending: once is enough/)
        ctx.continuation.complete()
        assert.throws(() => ctx.continuation.suspend(), illegal('completing'))
        ctx.body = 'done'
      })
      assert.equal((await stage.get('/')).body, 'done')
    })

    it('while parked, while it waits for its dispatch, and after the end: IllegalStateError', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      assert.throws(() => continuation.suspend(), illegal('suspended'))
      continuation.resume()
      assert.throws(() => continuation.suspend(), illegal('woken'))
      await asking
      await until(() => continuation.phase === 'ended')
      assert.throws(() => continuation.suspend(), illegal('ended'))
    })

    it('clears resumed and expired', async () => {
      let dispatches = 0
      stage = await scene((ctx) => {
        if (++dispatches > 2) return
        ctx.continuation.suspend()
        assert.equal(ctx.continuation.isResumed(), false)
        assert.equal(ctx.continuation.isExpired(), false)
      })
      const { asking, continuation } = await stage.park()
      continuation.resume()
      await until(() => continuation.phase === 'suspended')
      continuation.complete()
      await asking
    })

    it('takes a timeout: of no number, TypeError, and nothing is suspended', async () => {
      stage = await scene((ctx) => {
        for (const timeout of [Number.NaN, '5', null, {}]) {
          assert.throws(() => ctx.continuation.suspend(timeout as number), invalid)
        }
        assert.equal(ctx.continuation.isSuspended(), false)
        ctx.body = 'fine'
      })
      assert.equal((await stage.get('/')).body, 'fine')
    })
  })

  describe('resume', () => {
    it('true when it decided; false when it came too late, and then nothing is set', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      assert.equal(continuation.resume({ message: 'first' }), true)
      assert.equal(continuation.resume({ message: 'second', other: 1 }), false)
      assert.equal(continuation.getAttribute('message'), 'first')
      assert.equal(continuation.getAttribute('other'), undefined)
      assert.equal((await asking).body, 'resumed first')
      assert.equal(continuation.resume({ message: 'third' }), false)
      assert.equal(continuation.getAttribute('message'), 'first')
    })

    it('false after expiry, after complete, after the client has gone', async () => {
      stage = await scene(plain)
      const expired = await stage.park()
      stage.clock.advance(30_000)
      assert.equal(expired.continuation.resume(), false)
      assert.equal((await expired.asking).body, 'expired')

      const completed = await stage.park()
      completed.continuation.complete()
      assert.equal(completed.continuation.resume(), false)
      await completed.asking

      const gone = await stage.park()
      gone.asking.request.destroy()
      await until(() => gone.continuation.phase === 'ended')
      assert.equal(gone.continuation.resume(), false)
    })

    it('before the first suspend: IllegalStateError; in a re-dispatch that has not suspended: false', async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          assert.throws(() => continuation.resume(), illegal('dispatched'))
          assert.throws(() => continuation.complete(), illegal('dispatched'))
          assert.throws(() => continuation.fail(new Error()), illegal('dispatched'))
          continuation.suspend()
          return
        }
        assert.deepEqual(
          [continuation.resume(), continuation.complete(), continuation.fail(new Error())],
          [false, false, false],
        )
        ctx.body = 'ok'
      })
      const { asking, continuation } = await stage.park()
      continuation.resume()
      assert.equal((await asking).body, 'ok')
    })

    it('while the handler still runs it is latched, and acts at the return', async () => {
      const leave = gate()
      const dispatches: string[] = []
      stage = await scene(async (ctx) => {
        const { continuation } = ctx
        dispatches.push(continuation.isInitial() ? 'first' : 'second')
        if (!continuation.isInitial()) return
        continuation.suspend()
        await leave
      })
      const asking = stage.get('/')
      await until(() => dispatches.length === 1 && stage.continuation.phase === 'suspending')
      assert.equal(stage.continuation.resume(), true)
      assert.equal(stage.continuation.resume(), false)
      assert.deepEqual(dispatches, ['first'])
      leave.open()
      await asking
      assert.deepEqual(dispatches, ['first', 'second'])
    })

    it('the re-dispatch is not run inside the caller, and an error in it does not reach the caller', async () => {
      let inside = false
      let ranInside = false
      stage = await scene((ctx) => {
        if (ctx.continuation.isInitial()) {
          ctx.continuation.suspend()
          return
        }
        ranInside = inside
        throw new Error('of the re-dispatch')
      })
      const { asking, continuation } = await stage.park()
      inside = true
      assert.equal(continuation.resume(), true)
      inside = false
      assert.equal((await asking).status, 500)
      assert.equal(ranInside, false)
      assert.deepEqual(stage.errors.map(String), ['Error: of the re-dispatch'])
    })

    it('takes an object of attributes, copied at the call; anything else is a TypeError and decides nothing', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      for (const attributes of [
        null,
        'message',
        5,
        ['message'],
        new Map([['message', 1]]),
        Promise.resolve({ message: 1 }),
        () => {},
      ]) {
        assert.throws(() => continuation.resume(attributes as never), invalid)
      }
      assert.equal(continuation.phase, 'suspended')
      const attributes = { message: 'as it was' }
      continuation.resume(attributes)
      attributes.message = 'changed later'
      assert.equal((await asking).body, 'resumed as it was')
    })
  })

  describe('complete', () => {
    it('sends what ctx holds now, without a re-dispatch', async () => {
      let dispatches = 0
      stage = await scene((ctx) => {
        dispatches++
        ctx.continuation.suspend()
      })
      const { asking, continuation } = await stage.park()
      continuation.context.body = { from: 'the publisher' }
      continuation.context.set('x-style', 'complete')
      assert.equal(continuation.complete(), true)
      assert.equal(continuation.complete(), false)
      const answer = await asking
      assert.equal(answer.body, '{"from":"the publisher"}')
      assert.equal(answer.headers['x-style'], 'complete')
      assert.equal(dispatches, 1)
    })

    it('ends a response that the handler has begun to write by itself', async () => {
      stage = await scene((ctx) => {
        ctx.respond = false
        ctx.res.writeHead(200, { 'content-type': 'text/plain' })
        ctx.res.write('begun, ')
        ctx.continuation.suspend()
      })
      const { asking, continuation } = await stage.park()
      continuation.context.res.write('ended')
      continuation.complete()
      assert.equal((await asking).body, 'begun, ended')
    })

    forEachKoa((_, Koa) => {
      const bodies: [what: string, body: unknown, sent: string][] = [
        ['a text', 'late', 'late'],
        ['an object', { late: true }, '{"late":true}'],
        ['a stream', () => Readable.from(['la', 'te']), 'late'],
        ['nothing', undefined, ''],
        ['null', null, ''],
      ]
      for (const when of ['while it is parked', 'before its handler returns'] as const) {
        for (const [what, body, sent] of bodies) {
          it(`${when}, its head sent before: sends ${what} after that`, async () => {
            let held: Continuation | undefined
            const complete = (ctx: Koa.Context) => {
              if (body !== undefined) ctx.body = typeof body === 'function' ? body() : body
              ctx.continuation.complete()
            }
            stage = await scene(
              (ctx) => {
                ctx.type = 'text/plain'
                ctx.status = 200
                ctx.flushHeaders()
                ctx.continuation.suspend()
                if (when === 'before its handler returns') complete(ctx)
                else held = ctx.continuation
              },
              {},
              Koa,
            )
            const asking = stage.get('/')
            if (when === 'while it is parked') {
              await until(() => held?.phase === 'suspended')
              complete((held as Continuation).context)
            }
            const answer = await asking
            assert.deepEqual([answer.status, answer.body], [200, sent])
            assert.deepEqual(stage.errors, [])
          })
        }
      }
    })
  })

  describe('fail', () => {
    it("goes through Koa's own error handling, as if the handler had thrown it", async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      const error = Object.assign(new Error('no longer allowed'), { status: 403, expose: true })
      assert.equal(continuation.fail(error), true)
      assert.equal(continuation.fail(error), false)
      const answer = await asking
      assert.deepEqual([answer.status, answer.body], [403, 'no longer allowed'])
      assert.deepEqual(stage.errors, [error])
      assert.deepEqual(stage.heard.slice(0, 2), ['onSuspend', 'onError'])
    })

    it('without an error: TypeError, and nothing is decided', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      assert.throws(() => continuation.fail(undefined), invalid)
      assert.throws(() => continuation.fail(null), invalid)
      assert.equal(continuation.resume(), true)
      await asking
    })
  })

  describe('setTimeout', () => {
    it('before the return: the value to start with, set last, counted from the return', async () => {
      const leave = gate()
      stage = await scene(async (ctx) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          ctx.body = continuation.isExpired() ? 'expired' : ''
          return
        }
        continuation.setTimeout(5)
        continuation.suspend(10)
        continuation.setTimeout(100)
        await leave
      })
      const asking = stage.get('/')
      await until(() => stage.heard.length === 0 && stage.clock.timers === 0 && phaseOf(stage) === 'suspending')
      stage.clock.advance(250)
      leave.open()
      await until(() => stage.continuation.phase === 'suspended')
      assert.equal(stage.clock.next, 100)
      stage.clock.advance(99)
      assert.equal(stage.continuation.phase, 'suspended')
      stage.clock.advance(1)
      assert.equal((await asking).body, 'expired')
    })

    it('while parked: starts the wait anew', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      stage.clock.advance(29_999)
      continuation.setTimeout(50)
      assert.equal(stage.clock.next, 50)
      stage.clock.advance(49)
      assert.equal(continuation.phase, 'suspended')
      stage.clock.advance(1)
      assert.equal((await asking).body, 'expired')
    })

    it('in an onSuspend listener: the value to wait with; nothing is decided, and every one hears of it', async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.addContinuationListener({ onSuspend: () => continuation.setTimeout(20) })
          continuation.addContinuationListener({ onSuspend: () => stage.heard.push(`until ${continuation.until}`) })
        }
        plain(ctx)
      })
      const { asking, continuation } = await stage.park()
      assert.deepEqual(stage.heard, ['onSuspend', `until ${stage.clock.now() + 20}`])
      stage.clock.advance(19)
      assert.equal(continuation.phase, 'suspended')
      stage.clock.advance(1)
      assert.equal((await asking).body, 'expired')
    })

    it('in an onTimeout listener: extends the wait, the request stays parked', async () => {
      let extensions = 0
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.addContinuationListener({
            onTimeout: () => {
              if (extensions++ < 2) continuation.setTimeout(20)
            },
          })
        }
        plain(ctx)
      })
      const { asking, continuation } = await stage.park()
      stage.clock.advance(30_000)
      assert.equal(continuation.phase, 'suspended')
      assert.equal(continuation.isExpired(), false)
      stage.clock.advance(20)
      assert.equal(continuation.phase, 'suspended')
      stage.clock.advance(20)
      assert.equal((await asking).body, 'expired')
      assert.equal(extensions, 3)
    })

    it('0, negative, Infinity: never', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      for (const ms of [0, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        continuation.setTimeout(ms)
        assert.equal(stage.clock.timers, 0, String(ms))
        assert.equal(continuation.until, Number.POSITIVE_INFINITY)
      }
      continuation.resume()
      await asking
    })

    it('is kept for later suspensions', async () => {
      let dispatches = 0
      stage = await scene((ctx) => {
        if (++dispatches === 1) ctx.continuation.setTimeout(70)
        if (dispatches < 3) ctx.continuation.suspend()
      })
      const { asking, continuation } = await stage.park()
      assert.equal(stage.clock.next, 70)
      continuation.resume()
      await until(() => continuation.phase === 'suspended')
      assert.equal(stage.clock.next, 70)
      continuation.complete()
      await asking
    })

    it('NaN or a non-number: TypeError, and the wait goes on as it was', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      for (const ms of [Number.NaN, '100', undefined, null]) {
        assert.throws(() => continuation.setTimeout(ms as number), invalid)
      }
      assert.equal(stage.clock.next, 30_000)
      continuation.resume()
      await asking
    })
  })

  describe('attributes', () => {
    it('are live for the whole request, over every dispatch', async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.setAttribute('kept', 1)
          continuation.setAttribute('removed', 2)
          continuation.removeAttribute('removed')
          continuation.removeAttribute('never there')
          continuation.suspend()
        } else {
          continuation.setAttribute('message', `${continuation.getAttribute('message')}, and more`)
          ctx.body = ['kept', 'removed', 'message', 'constructor', '__proto__'].map(
            (name) => continuation.getAttribute(name) ?? null,
          )
        }
      })
      const { asking, continuation } = await stage.park()
      continuation.setAttribute('kept', 'from outside')
      continuation.resume({ message: 'hello' })
      assert.deepEqual(JSON.parse((await asking).body), ['from outside', null, 'hello, and more', null, null])
    })

    it('have a string for a name: anything else is a TypeError', async () => {
      stage = await scene((ctx) => {
        for (const name of [undefined, 5, Symbol('name')] as unknown as string[]) {
          assert.throws(() => ctx.continuation.getAttribute(name), invalid)
          assert.throws(() => ctx.continuation.setAttribute(name, 1), invalid)
          assert.throws(() => ctx.continuation.removeAttribute(name), invalid)
        }
        ctx.body = 'fine'
      })
      assert.equal((await stage.get('/')).body, 'fine')
    })
  })

  describe('addContinuationListener', () => {
    it('calls every one in order, those added while parked too', async () => {
      const heard: string[] = []
      stage = await scene((ctx) => {
        if (ctx.continuation.isInitial()) {
          ctx.continuation.addContinuationListener(recorder(heard, () => ' 1'))
          ctx.continuation.addContinuationListener(recorder(heard, () => ' 2'))
        }
        plain(ctx)
      })
      const { asking, continuation } = await stage.park()
      continuation.addContinuationListener(recorder(heard, () => ' 3'))
      continuation.resume()
      await asking
      await until(() => continuation.phase === 'ended')
      assert.deepEqual(heard, [
        'onSuspend 1',
        'onSuspend 2',
        'onResume 1',
        'onResume 2',
        'onResume 3',
        'onComplete 1',
        'onComplete 2',
        'onComplete 3',
      ])
    })

    const inOnSuspend: Record<string, { act(continuation: Continuation): unknown; answer: unknown; heard: string[] }> =
      {
        'resume()': { act: (continuation) => continuation.resume(), answer: true, heard: ['onResume'] },
        'complete()': { act: (continuation) => continuation.complete(), answer: true, heard: [] },
        'fail()': { act: (continuation) => continuation.fail(new Error('failed')), answer: true, heard: ['onError'] },
        'a disconnect': {
          act: (continuation) => lifeOf(continuation).close(false),
          answer: undefined,
          heard: ['onDisconnect'],
        },
      }
    for (const [name, { act, answer, heard: expected }] of Object.entries(inOnSuspend)) {
      for (const manner of ['suspend', 'wait'] as const) {
        it(`${name} in an onSuspend listener, ${manner}(): every one hears that it was suspended, and then what follows`, async () => {
          const heard: string[] = []
          const answers: unknown[] = []
          stage = await scene(async ({ continuation }) => {
            if (!continuation.isInitial()) return
            continuation.addContinuationListener({
              onSuspend: () => {
                answers.push(act(continuation))
                answers.push(continuation.resume(), continuation.complete(), continuation.fail(new Error()))
                assert.throws(() => continuation.suspend(), IllegalStateError)
              },
            })
            continuation.addContinuationListener(recorder(heard, () => ' 1'))
            continuation.addContinuationListener(recorder(heard, () => ' 2'))
            if (manner === 'suspend') continuation.suspend()
            else await continuation.wait()
          })
          await stage.get('/')
          const { continuation } = stage
          await until(() => continuation.phase === 'ended')
          assert.deepEqual(answers, [answer, false, false, false])
          assert.deepEqual(
            heard,
            ['onSuspend', ...expected, 'onComplete'].flatMap((event) => [`${event} 1`, `${event} 2`]),
          )
          assert.equal(stage.clock.timers, 0)
        })
      }
    }

    it("one that throws or rejects is reported to the app's error event and stops nothing", async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (continuation.isInitial()) {
          continuation.addContinuationListener({
            onResume: () => {
              throw new Error('thrown')
            },
          })
          continuation.addContinuationListener({ onResume: () => Promise.reject(new Error('rejected')) })
          continuation.addContinuationListener({
            onResume: () => {
              throw 'no error'
            },
          })
          continuation.addContinuationListener(recorder(stage.heard, () => ' after'))
        }
        plain(ctx)
      })
      const { asking, continuation } = await stage.park()
      assert.equal(continuation.resume(), true)
      assert.equal((await asking).status, 200)
      assert.deepEqual(
        stage.errors.map(({ message, cause }) => cause ?? message),
        ['thrown', 'no error', 'rejected'],
      )
      assert.ok(stage.heard.includes('onResume after'))
    })

    it('answers with what removes it', async () => {
      const heard: string[] = []
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      const remove = continuation.addContinuationListener(recorder(heard))
      remove()
      remove()
      continuation.resume()
      await asking
      await until(() => continuation.phase === 'ended')
      assert.deepEqual(heard, [])
    })

    it('what removes one, called twice, leaves the same listener alone that was added again', async () => {
      const heard: string[] = []
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      const shared = recorder(heard)
      const remove = continuation.addContinuationListener(shared)
      continuation.addContinuationListener(shared)
      remove()
      remove()
      continuation.resume()
      await asking
      await until(() => continuation.phase === 'ended')
      assert.deepEqual(heard, ['onResume', 'onComplete'])
    })

    it('after the end: onComplete is called soon, and nothing else', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      continuation.resume()
      await asking
      await until(() => continuation.phase === 'ended')
      const heard: string[] = []
      continuation.addContinuationListener(recorder(heard))
      assert.deepEqual(heard, [])
      await until(() => heard.length > 0)
      assert.deepEqual(heard, ['onComplete'])
    })

    it('what is no listener, or names an event that does not exist: TypeError', async () => {
      stage = await scene((ctx) => {
        const wrong = [
          undefined,
          null,
          () => {},
          {},
          { onComplete: 'x' },
          { onTimeOut: () => {}, onComplete: () => {} },
        ]
        for (const listener of wrong) {
          assert.throws(() => ctx.continuation.addContinuationListener(listener as never), invalid)
        }
        ctx.body = 'fine'
      })
      assert.equal((await stage.get('/')).body, 'fine')
    })
  })

  describe('undispatch', () => {
    it('leaves the handler by a throw that the boundary catches: the same as returning', async () => {
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          ctx.body = 'again'
          return
        }
        continuation.suspend()
        continuation.undispatch()
        ctx.body = 'never reached'
      })
      const { asking, continuation } = await stage.park()
      continuation.resume()
      assert.equal((await asking).body, 'again')
      assert.deepEqual(stage.errors, [])
    })

    it('not suspended: IllegalStateError', async () => {
      stage = await scene((ctx) => {
        assert.throws(() => ctx.continuation.undispatch(), illegal('dispatched'))
        ctx.body = 'fine'
      })
      assert.equal((await stage.get('/')).body, 'fine')
    })
  })

  describe('id, context, signal', () => {
    it('have an id unique in the process, and the Koa context', async () => {
      const seen: [string, boolean][] = []
      stage = await scene((ctx) => {
        seen.push([ctx.continuation.id, ctx.continuation.context === ctx])
        ctx.body = ctx.continuation.id
      })
      await stage.get('/')
      await stage.get('/')
      assert.notEqual(seen[0]?.[0], seen[1]?.[0])
      assert.deepEqual(
        seen.map(([, same]) => same),
        [true, true],
      )
    })

    it('until says when it will expire, once it waits: not while the handler runs, in a later dispatch either', async () => {
      const seen: unknown[] = []
      stage = await scene((ctx) => {
        ctx.continuation.suspend(100)
        seen.push(ctx.continuation.until)
      })
      const { asking, continuation } = await stage.park()
      assert.equal(continuation.until, stage.clock.now() + 100)
      stage.clock.advance(100)
      await until(() => seen.length === 2 && continuation.phase === 'suspended')
      assert.deepEqual(seen, [undefined, undefined])
      assert.equal(continuation.until, stage.clock.now() + 100)
      continuation.complete()
      assert.equal(continuation.until, undefined)
      await asking
    })

    it('the signal is aborted when the client leaves, with why', async () => {
      stage = await scene(plain)
      const { asking, continuation } = await stage.park()
      const { signal } = continuation
      assert.equal(signal.aborted, false)
      assert.equal(continuation.signal, signal)
      asking.request.destroy()
      await until(() => signal.aborted)
      assert.equal((signal.reason as { code: string }).code, 'ERR_CLIENT_DISCONNECTED')
    })

    it('the signal is aborted, with why, where the client is found to have left at the park: before onDisconnect', () => {
      const host = new BareHost()
      const { continuation } = host
      const heard: unknown[] = []
      continuation.signal.addEventListener('abort', () => {
        heard.push((continuation.signal.reason as { code: string }).code, continuation.resume())
      })
      continuation.addContinuationListener(recorder(heard as string[]))
      continuation.suspend()
      host.gone = true
      assert.notEqual(lifeOf(continuation).returned(true), 'dispatch')
      assert.deepEqual(heard, ['ERR_CLIENT_DISCONNECTED', false, 'onDisconnect', 'onComplete'])
      assert.equal(continuation.phase, 'ended')
    })

    it('whoever is let go of because the client has left finds the signal aborted, with why: the same that is told', () => {
      const host = new BareHost()
      const { continuation } = host
      const heard: unknown[] = []
      const { signal } = continuation
      signal.addEventListener('abort', () => heard.push(continuation.phase))
      continuation.suspend()
      lifeOf(continuation).hold({ letGo: () => heard.push(continuation.signal.aborted, signal.reason) })
      lifeOf(continuation).returned(true)
      lifeOf(continuation).close(false)
      assert.deepEqual(heard, ['aborted', true, signal.reason])
      assert.equal(signal.reason.code, 'ERR_CLIENT_DISCONNECTED')
    })

    it('the signal is aborted when the request ends; asked for later, it is aborted already', async () => {
      stage = await scene(plain)
      const first = await stage.park()
      const { signal } = first.continuation
      first.continuation.resume()
      await first.asking
      await until(() => signal.aborted)

      const second = await stage.park()
      second.continuation.resume()
      await second.asking
      await until(() => second.continuation.phase === 'ended')
      assert.equal(second.continuation.signal.aborted, true)
    })

    it('the signal is aborted in the middle of a dispatch when the client leaves there', async () => {
      const leave = gate()
      stage = await scene(async (ctx) => {
        ctx.continuation.signal.addEventListener('abort', () => leave.open())
        await leave
      })
      const asking = stage.get('/')
      await until(() => phaseOf(stage) === 'dispatched')
      asking.request.destroy()
      await leave
      await until(() => stage.continuation.phase === 'ended')
      assert.deepEqual(stage.heard, ['onDisconnect', 'onComplete'])
    })
  })
})

function phaseOf(stage: Scene): string | undefined {
  try {
    return stage.continuation.phase
  } catch {
    return undefined
  }
}
