import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import Router from '@koa/router'
import Koa from 'koa'
import compose from 'koa-compose'
import mount from 'koa-mount'
import { type Continuation, ContinuationManager, continuations, getContinuation, suspendable } from '../../src/index.js'
import { gate, until } from '../support/gate.js'
import { forEachKoa } from '../support/koas.js'
import { type Served, serve } from '../support/serve.js'

describe('the re-dispatch boundary', () => {
  let served: Served
  let clients: ContinuationManager
  let ran: string[]

  beforeEach(() => {
    clients = new ContinuationManager()
    ran = []
  })
  afterEach(() => served.close())

  /** Suspends at the first dispatch, answers at the second. */
  const handler: Koa.Middleware = (ctx) => {
    const continuation = getContinuation(ctx)
    ran.push('handler')
    if (continuation.isInitial()) {
      continuation.suspend()
      clients.stash(continuation)
    } else ctx.body = 'done'
  }

  const passing =
    (name: string): Koa.Middleware =>
    (_ctx, next) => {
      ran.push(name)
      return next()
    }

  async function resumed(path = '/') {
    const asking = served.get(path)
    await until(() => clients.size === 1)
    clients.broadcast()
    return asking
  }

  it('continuations(): everything below it in the app runs again, nothing above', async () => {
    const app = new Koa()
    app.use(passing('above')).use(continuations()).use(passing('below')).use(handler)
    served = await serve(app)
    assert.equal((await resumed()).body, 'done')
    assert.deepEqual(ran, ['above', 'below', 'handler', 'below', 'handler'])
  })

  it("continuations(): honours the app's compose", async () => {
    let composed = 0
    const app = new Koa({
      compose: (middleware: Parameters<typeof compose>[0]) => {
        composed++
        return compose(middleware)
      },
    } as object)
    app.use(continuations()).use(handler)
    served = await serve(app)
    await resumed()
    await resumed()
    // the app itself, and what is below: once for all requests
    assert.equal(composed, 2)
  })

  it('suspendable(): runs again just what it was given', async () => {
    const app = new Koa()
    app
      .use(passing('above'))
      .use(suspendable(passing('inside'), handler))
      .use(passing('downstream'))
    served = await serve(app)
    assert.equal((await resumed()).body, 'done')
    assert.deepEqual(ran, ['above', 'inside', 'handler', 'inside', 'handler'])
  })

  it('suspendable(): the nearest boundary wins, and it is the same continuation', async () => {
    const seen = new Set<Continuation>()
    const app = new Koa()
    const see: Koa.Middleware = (ctx, next) => {
      seen.add(ctx.continuation)
      return next()
    }
    app.use(continuations()).use(passing('between')).use(see).use(suspendable(see, handler))
    served = await serve(app)
    await resumed()
    assert.deepEqual(ran, ['between', 'handler', 'handler'])
    assert.equal(seen.size, 1)
  })

  it('what stands between two boundaries may suspend too: the outer one holds it', async () => {
    const app = new Koa()
    app.use(continuations())
    app.use(async (ctx, next) => {
      ran.push('between')
      if (ctx.continuation.isInitial()) {
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
        return
      }
      await next()
    })
    app.use(
      suspendable((ctx) => {
        ran.push('inner')
        if (ran.filter((name) => name === 'inner').length === 1) {
          ctx.continuation.suspend()
          clients.stash(ctx.continuation)
        } else ctx.body = 'both'
      }),
    )
    served = await serve(app)
    const asking = served.get('/')
    await until(() => clients.size === 1)
    clients.broadcast()
    await until(() => clients.size === 1)
    clients.broadcast()
    assert.equal((await asking).body, 'both')
    assert.deepEqual(ran, ['between', 'between', 'inner', 'inner'])
  })

  describe('a suspension of what stands between two boundaries is not for the inner one', () => {
    forEachKoa((_, Koa) => {
      /** Below `continuations()`, `between`; below that, in a boundary of its own, `inner`. */
      async function nested(between: Koa.Middleware, ...inner: Koa.Middleware[]): Promise<void> {
        const app = new Koa()
        served = await serve(
          app
            .use(continuations())
            .use(between)
            .use(suspendable(...inner)),
        )
      }
      const answer: Koa.Middleware = (ctx) => {
        ran.push('inner')
        ctx.body = 'inner'
      }
      const only = (): Continuation => [...clients][0] as Continuation

      it('wait(), then next(): it waits on, and is resumed', async () => {
        await nested(async ({ continuation }, next) => {
          const waiting = continuation.wait()
          clients.stash(continuation)
          await next()
          ran.push('inner has returned')
          ran.push(await waiting)
        }, answer)
        const asking = served.get('/')
        await until(() => ran.includes('inner has returned'))
        const continuation = only()
        assert.deepEqual([continuation.phase, continuation.isInitial()], ['suspended', true])
        assert.equal(continuation.resume(), true)
        assert.equal((await asking).body, 'inner')
        assert.deepEqual(ran, ['inner', 'inner has returned', 'resumed'])
      })

      it('wait(), resumed before the inner handler returns: resumed all the same', async () => {
        await nested(
          async ({ continuation }, next) => {
            const waiting = continuation.wait()
            await next()
            ran.push(await waiting)
          },
          (ctx) => {
            assert.equal(ctx.continuation.resume(), true)
            ctx.body = ctx.continuation.phase
          },
        )
        assert.equal((await served.get('/')).body, 'woken')
        assert.deepEqual(ran, ['resumed'])
      })

      it('wait(), completed meanwhile: what comes after the inner handler still belongs to the dispatch', async () => {
        await nested(
          async ({ continuation }, next) => {
            const waiting = continuation.wait()
            await next()
            ran.push(await waiting, `initial: ${continuation.isInitial()}`)
          },
          (ctx) => {
            ctx.body = 'sent'
            assert.equal(ctx.continuation.complete(), true)
          },
        )
        assert.equal((await served.get('/')).body, 'sent')
        assert.deepEqual(ran, ['completed', 'initial: true'])
      })

      it('wait() in a loop, around next() each time', async () => {
        const inner = suspendable(answer)
        await nested(async (ctx) => {
          const { continuation } = ctx
          for (let turn = 0; turn < 3; turn++) {
            const waiting = continuation.wait()
            clients.stash(continuation)
            await inner(ctx, () => Promise.resolve())
            ran.push(await waiting)
          }
        }, answer)
        const asking = served.get('/')
        for (let turn = 0; turn < 3; turn++) {
          await until(() => clients.size === 1 && ran.length === 2 * turn + 1)
          clients.broadcast()
        }
        assert.equal((await asking).body, 'inner')
        assert.deepEqual(ran, ['inner', 'resumed', 'inner', 'resumed', 'inner', 'resumed'])
      })

      for (const how of ['returns', 'leaves by undispatch()'] as const) {
        it(`suspend(), then next() to what ${how}: the outer one dispatches all of it again`, async () => {
          await nested(
            async ({ continuation }, next) => {
              ran.push('between')
              if (continuation.isInitial()) {
                continuation.suspend()
                clients.stash(continuation)
              }
              await next()
              ran.push('between ends')
            },
            (ctx, next) => {
              answer(ctx, next)
              if (how !== 'returns' && ctx.continuation.isInitial()) ctx.continuation.undispatch()
            },
          )
          const asking = served.get('/')
          await until(() => clients.size === 1 && only().phase === 'suspended')
          assert.deepEqual(ran.splice(0), ['between', 'inner', 'between ends'])
          clients.broadcast()
          assert.equal((await asking).body, 'inner')
          assert.deepEqual(ran, ['between', 'inner', 'between ends'])
        })
      }

      it('the inner handler throws, and that is caught: the wait() goes on', async () => {
        const heard: string[] = []
        await nested(
          async (ctx, next) => {
            const { continuation } = ctx
            const waiting = continuation.wait()
            clients.stash(continuation)
            continuation.addContinuationListener({ onError: () => heard.push('onError') })
            try {
              await next()
            } catch (error) {
              ran.push((error as Error).message)
            }
            ctx.body = await waiting
          },
          () => {
            throw new Error('thrown')
          },
        )
        const asking = served.get('/')
        await until(() => ran.length === 1)
        assert.equal(clients.broadcast(), 1)
        assert.equal((await asking).body, 'resumed')
        assert.deepEqual([ran, heard, served.errors], [['thrown'], [], []])
      })

      it('the inner handler throws, and nobody catches that: the error at once, and nobody keeps it', async () => {
        let waiting: Promise<string> | undefined
        await nested(
          ({ continuation }, next) => {
            waiting = continuation.wait()
            clients.stash(continuation)
            return next()
          },
          () => {
            throw new Error('thrown')
          },
        )
        assert.equal((await served.get('/')).status, 500)
        assert.equal(await waiting, 'completed')
        assert.equal(clients.size, 0)
      })

      it('the inner handler suspends when that wait() is over: the inner boundary holds it', async () => {
        const resumed = gate()
        await nested(
          async ({ continuation }, next) => {
            const waiting = continuation.wait()
            clients.stash(continuation)
            void waiting.then(() => resumed.open())
            await next()
            ran.push(`between: ${await waiting}`)
          },
          async (ctx, next) => {
            ran.push('entered')
            await resumed
            return handler(ctx, next)
          },
        )
        const asking = served.get('/')
        await until(() => ran.includes('entered'))
        clients.broadcast()
        await until(() => clients.size === 1 && only().phase === 'suspended')
        clients.broadcast()
        assert.equal((await asking).body, 'done')
        assert.deepEqual(ran, ['entered', 'handler', 'entered', 'handler', 'between: resumed'])
      })

      it('three deep: each boundary holds what was suspended right below it', async () => {
        const holding = (name: string): Koa.Middleware => {
          let held = false
          return ({ continuation }, next) => {
            ran.push(name)
            if (!held && !continuation.isSuspended()) {
              held = true
              continuation.suspend()
              clients.stash(continuation)
            }
            return next()
          }
        }
        await nested(holding('one'), holding('two'), suspendable(holding('three'), answer))
        const asking = served.get('/')
        const dispatches = []
        for (let times = 0; times < 3; times++) {
          await until(() => clients.size === 1 && only().phase === 'suspended')
          dispatches.push(ran.splice(0).join())
          clients.broadcast()
        }
        assert.equal((await asking).body, 'inner')
        dispatches.push(ran.join())
        assert.deepEqual(dispatches, ['one,two,three,inner', 'one,two,three,inner', 'two,three,inner', 'three,inner'])
      })

      it('in a later dispatch too', async () => {
        await nested(
          passing('between'),
          async ({ continuation }, next) => {
            if (continuation.isInitial()) {
              continuation.suspend()
              clients.stash(continuation)
              return
            }
            const waiting = continuation.wait()
            clients.stash(continuation)
            await next()
            ran.push(await waiting)
          },
          suspendable(answer),
        )
        const asking = served.get('/')
        await until(() => clients.size === 1)
        clients.broadcast()
        await until(() => clients.size === 1 && ran.includes('inner'))
        clients.broadcast()
        assert.equal((await asking).body, 'inner')
        assert.deepEqual(ran, ['between', 'inner', 'resumed'])
      })
    })
  })

  describe('suspendable(): what is downstream', () => {
    const leaving: Koa.Middleware = (ctx, next) => {
      handler(ctx, next)
      if (ctx.continuation.isSuspended()) ctx.continuation.undispatch()
    }
    forEachKoa((_, Koa) => {
      for (const [how, downstream] of [
        ['suspends', handler],
        ['suspends and leaves by undispatch()', leaving],
      ] as const) {
        it(`and ${how} is held by the next boundary further out`, async () => {
          const app = new Koa()
          app
            .use(continuations())
            .use(suspendable(passing('inside')))
            .use(downstream)
          served = await serve(app)
          assert.equal((await resumed()).body, 'done')
          assert.deepEqual(ran, ['inside', 'handler', 'inside', 'handler'])
          assert.deepEqual(served.errors, [])
        })

        it(`and ${how}, without a boundary further out: an error at once says what to do`, async () => {
          const app = new Koa()
          app.use(suspendable(passing('inside'))).use(downstream)
          served = await serve(app)
          assert.equal((await served.get('/')).status, 500)
          assert.match(String(served.errors[0]), /put the handler into the suspendable/)
          assert.deepEqual([clients.size, ran], [0, ['inside', 'handler']])
        })
      }

      it('and suspends and throws, which is caught further out: the boundary around that holds it', async () => {
        const app = new Koa()
        app.use(continuations())
        app.use(async (_ctx, next) => {
          try {
            await next()
          } catch (error) {
            ran.push((error as Error).message)
          }
        })
        app.use(suspendable(passing('inside')))
        app.use((ctx, next) => {
          handler(ctx, next)
          if (ctx.continuation.isSuspended()) throw new Error('caught')
        })
        served = await serve(app)
        assert.equal((await resumed()).body, 'done')
        assert.deepEqual(ran, ['inside', 'handler', 'caught', 'inside', 'handler'])
      })

      it('and has waited in place: what is inside may suspend after that', async () => {
        const app = new Koa()
        app.use(
          suspendable(async (ctx, next) => {
            if (ctx.continuation.isInitial()) await next()
            handler(ctx, next)
          }),
        )
        app.use(async ({ continuation }) => {
          const waiting = continuation.wait()
          clients.stash(continuation)
          ran.push(await waiting)
        })
        served = await serve(app)
        const asking = served.get('/')
        for (const dispatched of [false, true]) {
          await until(() => clients.size === 1 && ran.includes('handler') === dispatched)
          clients.broadcast()
        }
        assert.equal((await asking).body, 'done')
        assert.deepEqual(ran, ['resumed', 'handler', 'handler'])
      })
    })
  })

  for (const [what, first] of [
    ['that never suspends', passing('first')],
    ['that was held', handler],
  ] as const) {
    it(`suspendable(): one after another ${what}, and not within it, holds its own handler`, async () => {
      const nothing = () => Promise.resolve()
      const [before, after] = [suspendable(first), suspendable(handler)]
      const app = new Koa()
      app.use(async (ctx) => {
        await before(ctx, nothing)
        ran.push(`between: ${ctx.body}`)
        await after(ctx, nothing)
      })
      served = await serve(app)
      const asking = served.get('/')
      if (first === handler) {
        await until(() => clients.size === 1)
        clients.broadcast()
        await until(() => ran.includes('between: done'))
      }
      await until(() => clients.size === 1)
      clients.broadcast()
      assert.equal((await asking).body, 'done')
      const begun = first === handler ? ['handler', 'handler', 'between: done'] : ['first', 'between: undefined']
      assert.deepEqual(ran, [...begun, 'handler', 'handler'])
    })
  }

  it('suspendable(): what is downstream runs once; a next() in a later dispatch is refused', async () => {
    const app = new Koa()
    app.use(
      suspendable(async (ctx, next) => {
        await next()
        if (ctx.continuation.isInitial()) {
          ctx.continuation.suspend()
          clients.stash(ctx.continuation)
        }
      }),
    )
    app.use(passing('downstream'))
    served = await serve(app)
    assert.equal((await resumed()).status, 500)
    assert.equal((served.errors[0] as { code?: string }).code, 'ERR_ILLEGAL_STATE')
    assert.deepEqual(ran, ['downstream'])
  })

  describe('where continuations() cannot find its place, an error names suspendable', () => {
    const misplaced: Record<string, (app: Koa) => void> = {
      'in a router': (app) => app.use(new Router().use(continuations()).get('/', handler).routes()),
      'in a mounted app': (app) => app.use(mount('/', new Koa().use(continuations()).use(handler))),
      'in another composition': (app) => app.use(compose([continuations(), handler])),
    }
    for (const [where, build] of Object.entries(misplaced)) {
      it(where, async () => {
        const app = new Koa()
        build(app)
        served = await serve(app)
        assert.equal((await served.get('/')).status, 500)
        const [error] = served.errors as (Error & { code?: string })[]
        assert.equal(error?.code, 'ERR_NO_BOUNDARY')
        assert.match(error?.message ?? '', /suspendable/)
      })
    }
  })

  describe('getContinuation(ctx)', () => {
    it('is the same on every dispatch, and the same as ctx.continuation', async () => {
      const seen = new Set<Continuation>()
      const app = new Koa()
      app.use(continuations())
      app.use((ctx, next) => {
        seen.add(getContinuation(ctx)).add(ctx.continuation)
        return next()
      })
      app.use(handler)
      served = await serve(app)
      await resumed()
      assert.equal(seen.size, 1)
    })

    it('without a boundary above: an error that names continuations and suspendable', async () => {
      const router = new Router()
      router.get('/held', suspendable(handler))
      router.get('/function', (ctx) => getContinuation(ctx).suspend())
      router.get('/property', (ctx) => ctx.continuation.suspend())
      served = await serve(new Koa().use(router.routes()))
      await resumed('/held')
      for (const path of ['/function', '/property']) {
        assert.equal((await served.get(path)).status, 500)
        const error = served.errors.pop() as Error & { code?: string }
        assert.equal(error.code, 'ERR_NO_BOUNDARY')
        assert.match(error.message, new RegExp(`GET ${path}.*continuations\\(\\).*suspendable`))
      }
      assert.throws(() => getContinuation(undefined as never), { code: 'ERR_NO_BOUNDARY' })
    })

    forEachKoa((_, Koa) => {
      it('ctx.continuation without a boundary above: undefined until a request of the app has met one', async () => {
        const router = new Router()
        router.get('/held', suspendable(handler))
        router.get('/function', (ctx) => getContinuation(ctx).suspend())
        router.get('/property', (ctx) => {
          ctx.body = String(ctx.continuation)
        })
        served = await serve(new Koa().use(router.routes()))
        assert.equal((await served.get('/property')).body, 'undefined')
        assert.equal((await served.get('/function')).status, 500)
        await resumed('/held')
        assert.equal((await served.get('/property')).status, 500)
        const codes = served.errors.map((error) => (error as { code?: string }).code)
        assert.deepEqual(codes, ['ERR_NO_BOUNDARY', 'ERR_NO_BOUNDARY'])
      })
    })

    it('above the boundary, once it has returned: there, and no longer to be suspended', async () => {
      const app = new Koa()
      app.use(async (ctx, next) => {
        await next()
        assert.equal(ctx.continuation.isSuspended(), false)
        assert.throws(() => ctx.continuation.suspend(), { code: 'ERR_ILLEGAL_STATE' })
        ctx.body = 'seen'
      })
      app.use(continuations())
      served = await serve(app)
      assert.equal((await served.get('/')).body, 'seen')
    })
  })

  it('each dispatch starts from the same response: status, headers and body as they were at the boundary', async () => {
    const starts: unknown[] = []
    const app = new Koa()
    app.use((ctx, next) => {
      ctx.set('X-Above', 'kept')
      ctx.set('Set-Cookie', ['a=1'])
      ctx.set('X-Replaced', 'original')
      return next()
    })
    app.use(continuations())
    app.use((ctx) => {
      starts.push([ctx.status, ctx.message, ctx.body, { ...ctx.response.headers }])
      if (!ctx.continuation.isInitial()) {
        ctx.body = { fresh: true }
        return
      }
      ctx.status = 202
      ctx.message = 'Held'
      ctx.body = '<p>left over</p>'
      ctx.set('X-Left-Over', '1')
      ctx.set('X-Replaced', 'changed')
      ctx.append('Set-Cookie', 'b=2')
      ctx.remove('X-Above')
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    })
    served = await serve(app)
    const answer = await resumed()
    assert.deepEqual(starts[1], starts[0])
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.headers['set-cookie'], ['a=1'])
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    assert.deepEqual(
      [answer.headers['x-above'], answer.headers['x-replaced'], answer.headers['x-left-over']],
      ['kept', 'original', undefined],
    )
    assert.equal(answer.body, '{"fresh":true}')
  })

  it('a stream that a suspended dispatch had set as its body is let go', async () => {
    const { Readable } = await import('node:stream')
    const stream = new Readable({ read() {} })
    const app = new Koa()
    app.use(continuations())
    app.use((ctx) => {
      if (!ctx.continuation.isInitial()) {
        ctx.body = String(stream.destroyed)
        return
      }
      ctx.body = stream
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    })
    served = await serve(app)
    assert.equal((await resumed()).body, 'true')
  })

  forEachKoa((_, Application) => {
    it('an error of a stream that was let go of ends nothing; who else listens to it hears it', async () => {
      const { Readable } = await import('node:stream')
      const failure = new Error('cleanup failed')
      const stream = new Readable({ read() {}, destroy: (_, callback) => callback(failure) })
      const heard: unknown[] = []
      const app = new Application()
      app.use(continuations())
      app.use(async (ctx) => {
        if (!ctx.continuation.isInitial()) {
          await until(() => stream.closed)
          ctx.body = 'done'
          return
        }
        stream.once('error', (error) => heard.push(error))
        ctx.body = stream
        ctx.continuation.suspend()
        clients.stash(ctx.continuation)
      })
      served = await serve(app)
      const { status, body } = await resumed()
      assert.deepEqual([status, body], [200, 'done'])
      assert.deepEqual(heard, [failure])
      assert.deepEqual(served.errors, [])
      assert.equal(stream.listenerCount('error'), 0)
    })
  })

  it('a stream from above that Koa 3 has destroyed for another body: an error that says so, and no hang', async () => {
    const { Readable } = await import('node:stream')
    const app = new Koa()
    app.use((ctx, next) => {
      ctx.body = new Readable({ read() {} })
      return next()
    })
    app.use(continuations())
    app.use((ctx) => {
      if (!ctx.continuation.isInitial()) return
      ctx.body = 'another'
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    })
    served = await serve(app)
    await assert.rejects(resumed(), { code: 'ECONNRESET' })
    const codes = new Set(served.errors.map((error) => (error as NodeJS.ErrnoException).code))
    assert.deepEqual([...codes], ['ERR_STREAM_PREMATURE_CLOSE'])
  })

  it('ctx.state and what else hangs on the context stay', async () => {
    const app = new Koa()
    app.use(continuations())
    app.use((ctx, next) => {
      ctx.state['count'] = (ctx.state['count'] ?? 0) + 1
      ctx['own'] ??= ctx.state['count']
      return next()
    })
    app.use((ctx) => {
      handler(ctx, async () => {})
      if (!ctx.continuation.isInitial()) ctx.body = `${ctx.state['count']} ${ctx['own']}`
    })
    served = await serve(app)
    assert.equal((await resumed()).body, '2 1')
  })

  it('params of a class stay the same object: nobody can tell what is inside', async () => {
    const params = new URLSearchParams('room=7')
    const app = new Koa()
    app.use((ctx, next) => {
      ctx['params'] = params
      return next()
    })
    const see: Koa.Middleware = (ctx, next) => {
      ran.push(`${ctx['params'].get('room')} ${ctx['params'] === params}`)
      return next()
    }
    app.use(suspendable(see, handler))
    served = await serve(app)
    assert.equal((await resumed()).body, 'done')
    assert.deepEqual(ran, ['7 true', 'handler', '7 true', 'handler'])
  })

  it("async context in each dispatch and listener is the request's own, not the resumer's", async () => {
    const store = new AsyncLocalStorage<string>()
    const app = new Koa()
    const note = (what: string) => ran.push(`${what}: ${store.getStore()}`)
    app.use((ctx, next) => store.run(ctx.path, next))
    app.use(continuations())
    app.use(async (ctx) => {
      const { continuation } = ctx
      note('dispatch')
      if (!continuation.isInitial()) {
        continuation.addContinuationListener({ onComplete: () => note('late') })
        return
      }
      continuation.suspend()
      continuation.addContinuationListener({
        onSuspend: () => note('onSuspend'),
        onResume: () => note('onResume'),
        onComplete: () => note('onComplete'),
      })
      clients.stash(continuation)
    })
    served = await serve(app)
    const asking = served.get('/request')
    await until(() => clients.size === 1)
    const [continuation] = clients as Iterable<Continuation>
    store.run('the resumer', () => {
      continuation?.addContinuationListener({ onResume: () => note('added outside') })
      clients.broadcast()
    })
    await asking
    await until(() => continuation?.phase === 'ended')
    assert.deepEqual(ran, [
      'dispatch: /request',
      'onSuspend: /request',
      'onResume: /request',
      'added outside: /request',
      'dispatch: /request',
      'onComplete: /request',
      'late: /request',
    ])
  })

  it('works the same for every method', async () => {
    const app = new Koa()
    app.use(continuations()).use(handler)
    served = await serve(app)
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const asking = served.ask(method, '/')
      await until(() => clients.size === 1)
      clients.broadcast()
      const answer = await asking
      assert.deepEqual([answer.status, answer.body], [200, method === 'HEAD' ? '' : 'done'], method)
    }
  })

  it('a connection that was upgraded cannot be suspended: an error with a code', async () => {
    const app = new Koa()
    app.use(continuations())
    app.use((ctx) => {
      ctx.respond = false
      try {
        ctx.continuation.suspend()
      } catch (error) {
        ran.push((error as { code: string }).code)
      }
      ctx.req.socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
    })
    served = await serve(app)
    const { ServerResponse } = await import('node:http')
    const callback = app.callback()
    served.server.on('upgrade', (req) => callback(req, new ServerResponse(req)))
    await served.get('/', { connection: 'upgrade', upgrade: 'websocket' })
    assert.deepEqual(ran, ['ERR_ILLEGAL_STATE'])
  })

  it('a response that has ended cannot be suspended: an error with a code', async () => {
    const app = new Koa()
    app.use(continuations())
    app.use((ctx) => {
      ctx.respond = false
      ctx.res.end('ended')
      assert.throws(() => ctx.continuation.suspend(), { code: 'ERR_ILLEGAL_STATE', message: /before you answer/ })
    })
    served = await serve(app)
    assert.equal((await served.get('/')).body, 'ended')
    assert.deepEqual(served.errors, [])
  })
})
