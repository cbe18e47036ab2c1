import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import Koa from 'koa'
import { type Continuation, ContinuationManager, continuations } from '../../src/index.js'
import { gate, turn, until } from '../support/gate.js'
import { forEachKoa } from '../support/koas.js'
import { recorder, type Scene, scene } from '../support/scene.js'
import { type Answer, type Asking, type Served, serve } from '../support/serve.js'

/** Reads a part of a body, and no more. Node takes the socket away from its request then. */
async function begun(req: IncomingMessage): Promise<void> {
  for await (const _ of req) break
  assert.equal(req.socket, null)
}

describe('errors and ends', () => {
  let stage: Scene
  afterEach(() => stage.close())

  it("handler throws, not suspended: Koa's error handling, as without the library", async () => {
    stage = await scene(() => {
      throw Object.assign(new Error('teapot'), { status: 418, expose: true })
    })
    const answer = await stage.get('/')
    assert.deepEqual([answer.status, answer.body], [418, 'teapot'])
    await until(() => stage.continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onComplete'])
  })

  for (const decision of ['nothing', 'resume', 'complete', 'fail'] as const) {
    it(`handler throws after suspend() and ${decision}: the error at once, no later dispatch; onError, then onComplete`, async () => {
      const clients = new ContinuationManager()
      let dispatches = 0
      stage = await scene((ctx) => {
        const { continuation } = ctx
        dispatches++
        continuation.suspend()
        clients.stash(continuation)
        if (decision === 'fail') continuation.fail(new Error('of fail()'))
        else if (decision !== 'nothing') continuation[decision]()
        throw new Error('thrown')
      })
      assert.equal((await stage.get('/')).status, 500)
      assert.deepEqual(stage.errors.map(String), ['Error: thrown'])
      assert.equal(stage.clock.timers, 0)
      assert.equal(clients.size, 0)
      await until(() => stage.continuation.phase === 'ended')
      await turn()
      assert.equal(dispatches, 1)
      assert.deepEqual(stage.heard, ['onError', 'onComplete'])
      assert.equal(stage.continuation.resume(), false)
    })
  }

  it("throws in a re-dispatch: Koa's error handling; onComplete", async () => {
    stage = await scene((ctx) => {
      if (ctx.continuation.isInitial()) ctx.continuation.suspend()
      else throw new Error('again')
    })
    const { asking, continuation } = await stage.park()
    continuation.resume()
    assert.equal((await asking).status, 500)
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onSuspend', 'onResume', 'onComplete'])
  })

  it('expiry, no listener decides: the handler again, isExpired()', async () => {
    stage = await scene((ctx) => {
      if (ctx.continuation.isInitial()) ctx.continuation.suspend()
      else ctx.body = String(ctx.continuation.isExpired())
    })
    const { asking } = await stage.park()
    stage.clock.advance(29_999)
    assert.equal(stage.continuation.phase, 'suspended')
    stage.clock.advance(1)
    assert.equal((await asking).body, 'true')
    assert.deepEqual(stage.heard.slice(0, 2), ['onSuspend', 'onTimeout'])
  })

  const deciders: Record<string, { decide(continuation: Continuation): boolean; status: number; body: string }> = {
    resume: {
      decide: (continuation) => continuation.resume({ late: 'but here' }),
      status: 200,
      body: 'again but here',
    },
    complete: { decide: (continuation) => continuation.complete(), status: 200, body: 'as it stood' },
    fail: {
      decide: (continuation) => continuation.fail(Object.assign(new Error('gone'), { status: 410, expose: true })),
      status: 410,
      body: 'gone',
    },
  }
  for (const [name, { decide, status, body }] of Object.entries(deciders)) {
    it(`an onTimeout listener decides by ${name}(): what it decided; the first decision wins`, async () => {
      const answers: boolean[] = []
      stage = await scene((ctx) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          ctx.body = `again ${continuation.getAttribute('late')}`
          return
        }
        ctx.body = 'as it stood'
        continuation.suspend(10)
        continuation.addContinuationListener({ onTimeout: () => answers.push(decide(continuation)) })
        continuation.addContinuationListener({
          onTimeout: () => answers.push(continuation.resume(), continuation.complete(), continuation.fail(new Error())),
        })
      })
      const { asking } = await stage.park()
      stage.clock.advance(10)
      const answer = await asking
      assert.deepEqual([answer.status, answer.body], [status, body])
      assert.deepEqual(answers, [true, false, false, false])
    })
  }

  it('client leaves while parked: no re-dispatch; onDisconnect, onComplete; every manager forgets it', async () => {
    const one = new ContinuationManager()
    const other = new ContinuationManager()
    let dispatches = 0
    stage = await scene((ctx) => {
      dispatches++
      ctx.continuation.suspend()
      one.stash(ctx.continuation)
      other.stash(ctx.continuation, 'key')
    })
    const { asking, continuation } = await stage.park()
    asking.request.destroy()
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onSuspend', 'onDisconnect', 'onComplete'])
    assert.deepEqual([one.size, other.size, stage.clock.timers, dispatches], [0, 0, 0, 1])
    assert.equal(continuation.resume(), false)
    assert.deepEqual(stage.errors, [])
  })

  for (const call of ['resume', 'complete', 'fail'] as const) {
    it(`client leaves while parked, and a listener of the signal calls ${call}(): too late; the signal, then onDisconnect`, async () => {
      const answers: boolean[] = []
      let dispatches = 0
      stage = await scene(({ continuation }) => {
        dispatches++
        continuation.signal.addEventListener('abort', () => {
          stage.heard.push(`${continuation.signal.reason.code}`)
          answers.push(call === 'fail' ? continuation.fail(new Error()) : continuation[call]())
        })
        continuation.suspend()
      })
      const { asking, continuation } = await stage.park()
      asking.request.destroy()
      await until(() => continuation.phase === 'ended')
      await turn()
      assert.deepEqual([answers, dispatches], [[false], 1])
      assert.deepEqual(stage.heard, ['onSuspend', 'ERR_CLIENT_DISCONNECTED', 'onDisconnect', 'onComplete'])
    })
  }

  for (const when of ['before', 'after'] as const) {
    it(`client leaves in a dispatch, ${when} suspend(): the dispatch ends by itself, and parks nothing`, async () => {
      const clients = new ContinuationManager()
      const begun = gate()
      let reachedEnd = false
      stage = await scene(async (ctx) => {
        const { continuation } = ctx
        const left = new Promise((resolve) => ctx.res.once('close', resolve))
        if (when === 'after') continuation.suspend()
        begun.open()
        await left
        if (when === 'before') continuation.suspend()
        clients.stash(continuation)
        assert.equal(continuation.resume(), false)
        reachedEnd = true
      })
      const asking = stage.get('/')
      await begun
      asking.request.destroy()
      await until(() => stage.continuation.phase === 'ended')
      assert.deepEqual([reachedEnd, clients.size, stage.clock.timers], [true, 0, 0])
      assert.deepEqual(stage.heard, ['onDisconnect', 'onComplete'])
      assert.deepEqual(stage.errors, [])
    })
  }

  it('client already gone at suspend(), and nobody has told: noticed at the park', async () => {
    stage = await scene((ctx) => {
      // the socket is destroyed, and its close event is still to come
      ctx.req.socket.destroy()
      ctx.continuation.suspend()
    })
    await assert.rejects(stage.get('/'))
    await until(() => stage.continuation.phase === 'ended')
    assert.deepEqual(stage.heard, ['onDisconnect', 'onComplete'])
    assert.equal(stage.clock.timers, 0)
  })

  it('more than maxDispatches: 500 with an error that names the limit', async () => {
    let dispatches = 0
    stage = await scene(
      (ctx) => {
        dispatches++
        ctx.continuation.suspend()
        ctx.continuation.resume()
      },
      { maxDispatches: 3 },
    )
    assert.equal((await stage.get('/')).status, 500)
    assert.equal(dispatches, 3)
    const [error] = stage.errors as unknown as { code: string; limit: number; message: string }[]
    assert.deepEqual([error?.code, error?.limit], ['ERR_DISPATCH_LIMIT', 3])
    assert.match(error?.message ?? '', /maxDispatches is 3/)
  })

  it('maxDispatches is 1 000 when nobody says otherwise', async () => {
    let dispatches = 0
    stage = await scene((ctx) => {
      dispatches++
      ctx.continuation.suspend()
      ctx.continuation.resume()
    })
    assert.equal((await stage.get('/')).status, 500)
    assert.equal(dispatches, 1_000)
  })

  for (const [how, leave] of [
    ['not read', () => {}],
    // as body parsers do with what is too large
    ['given up and paused', (req: IncomingMessage) => req.pause()],
    ['begun and left', begun],
  ] as const) {
    it(`body ${how} before the park: drained, so that the disconnect stays visible`, async () => {
      stage = await scene(async (ctx) => {
        await leave(ctx.req)
        ctx.continuation.suspend()
      })
      const socket = connect(stage.port, '127.0.0.1')
      socket.on('error', () => {})
      const size = 4_000_000
      socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write(Buffer.alloc(size, 'x'))
      await until(() => stage.heard.includes('onSuspend'))
      await until(() => stage.continuation.context.req.complete)
      assert.equal(stage.continuation.clientId, '127.0.0.1')
      socket.destroy()
      await until(() => stage.continuation.phase === 'ended')
      assert.deepEqual(stage.heard, ['onSuspend', 'onDisconnect', 'onComplete'])
    })
  }

  it('a body that somebody still reads, and has paused, is left alone at the park', async () => {
    let read = 0
    stage = await scene(({ req, continuation }) => {
      req.on('data', (chunk: Buffer) => {
        read += chunk.length
      })
      req.pause()
      continuation.suspend()
    })
    const asking = stage.post('/', 'a body')
    await until(() => stage.heard.includes('onSuspend'))
    await turn()
    const { context } = stage.continuation
    assert.deepEqual([read, context.req.isPaused()], [0, true])
    context.req.resume()
    await until(() => read === 6)
    stage.continuation.complete()
    await asking
  })

  it('onComplete runs after the response has been handed to the socket', async () => {
    let finished: boolean | undefined
    stage = await scene((ctx) => {
      ctx.continuation.addContinuationListener({
        onComplete: () => {
          finished = ctx.res.writableFinished
        },
      })
      ctx.body = 'x'.repeat(1_000_000)
    })
    await stage.get('/')
    await until(() => stage.continuation.phase === 'ended')
    assert.equal(finished, true)
  })

  it('a response written past Koa while parked ends the suspension', async () => {
    const clients = new ContinuationManager()
    stage = await scene((ctx) => {
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    })
    const { asking, continuation } = await stage.park()
    continuation.context.res.end('written past Koa')
    assert.equal((await asking).body, 'written past Koa')
    await until(() => continuation.phase === 'ended')
    assert.equal(clients.size, 0)
    assert.equal(stage.clock.timers, 0)
  })
})

describe('a client that leaves after the decision, before its dispatch', () => {
  it('is dispatched all the same, for the decision stands; onDisconnect, onComplete', async () => {
    const heard: string[] = []
    const app = new Koa()
    app.use(continuations())
    let held: Continuation | undefined
    app.use((ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        held = continuation
        continuation.suspend()
        continuation.addContinuationListener({
          onDisconnect: () => heard.push('onDisconnect'),
          onComplete: () => heard.push('onComplete'),
        })
      } else heard.push(`dispatched, ${continuation.signal.aborted ? 'gone' : 'there'}`)
    })
    const served = await serve(app)
    const asking = served.get('/')
    await until(() => held?.phase === 'suspended')
    const continuation = held as unknown as Continuation
    continuation.context.res.once('close', () => heard.push(`closed, ${continuation.phase}`))
    continuation.context.req.socket.destroy()
    assert.equal(continuation.resume(), true)
    await assert.rejects(asking)
    await until(() => continuation.phase === 'ended')
    assert.deepEqual(
      heard.filter((line) => !line.startsWith('closed')),
      ['dispatched, gone', 'onDisconnect', 'onComplete'],
    )
    await served.close()
  })
})

describe('a stream set as body from outside that fails before it is sent', () => {
  forEachKoa((name, Application) => {
    // Koa 2 hears a stream from when it is set, and answers at once
    const hearsItself = name === 'Koa 2'
    const failure = new Error('upstream gone')
    let served: Served
    let stream: Readable
    let heard: string[]
    let held: Continuation | undefined
    let outcomes: string[]

    beforeEach(() => {
      held = undefined
      heard = []
      outcomes = []
      stream = new Readable({ read() {} })
    })
    afterEach(() => served.close())

    async function park(manner: 'suspend' | 'wait', begin = (_: Koa.Context) => {}): Promise<{ asking: Asking }> {
      const app = new Application()
      app.use(continuations())
      app.use(async (ctx) => {
        const { continuation } = ctx
        if (!continuation.isInitial()) {
          ctx.body = 'again'
          return
        }
        held = continuation
        begin(ctx)
        continuation.addContinuationListener(recorder(heard))
        if (manner === 'suspend') continuation.suspend()
        else outcomes.push(await continuation.wait())
      })
      served = await serve(app)
      const asking = served.get('/')
      await until(() => held?.phase === 'suspended')
      return { asking }
    }

    async function decide(call: 'complete' | 'resume', answer = true): Promise<void> {
      const continuation = held as Continuation
      continuation.context.body = stream
      assert.equal(continuation[call](), answer)
      await new Promise(process.nextTick)
      stream.destroy(failure)
    }

    /** What the client got, if anything, when all is over. */
    async function end(asking: Asking): Promise<Answer | undefined> {
      const answer = await asking.catch(() => undefined)
      await until(() => held?.phase === 'ended' && stream.closed)
      await turn()
      return answer
    }

    it('complete(): the error is answered, once', async () => {
      const { asking } = await park('suspend')
      await decide('complete')
      assert.equal((await end(asking))?.status, 500)
      assert.deepEqual(served.errors, [failure])
      assert.deepEqual(heard, ['onSuspend', 'onComplete'])
      assert.equal(stream.listenerCount('error'), 0)
    })

    it('complete() where the head is out: it ends', async () => {
      const { asking } = await park('suspend', (ctx) => {
        ctx.status = 200
        ctx.flushHeaders()
      })
      await decide('complete')
      assert.equal(await end(asking), undefined)
      assert.equal(heard.at(-1), 'onComplete')
      assert.equal(heard.includes('onError'), false)
      assert.deepEqual(served.errors, [failure])
    })

    it('complete() that comes too late, for the client has left: nothing', async () => {
      const { asking } = await park('suspend')
      asking.request.destroy()
      await until(() => held?.phase === 'ended')
      await decide('complete', false)
      await end(asking)
      assert.deepEqual(heard, ['onSuspend', 'onDisconnect', 'onComplete'])
      assert.equal(stream.listenerCount('error'), 0)
    })

    it('resume(): it is not what will be sent', async () => {
      const { asking } = await park('suspend')
      await decide('resume')
      assert.equal((await end(asking))?.body, hearsItself ? 'Internal Server Error' : 'again')
      assert.deepEqual(served.errors, hearsItself ? [failure] : [])
      assert.deepEqual(heard, ['onSuspend', 'onResume', 'onComplete'])
      assert.equal(stream.listenerCount('error'), 0)
    })

    for (const [call, outcome] of [
      ['complete', 'completed'],
      ['resume', 'resumed'],
    ] as const) {
      it(`wait() that ends by ${call}(): as Koa deals with a stream that has failed`, async () => {
        const { asking } = await park('wait')
        await decide(call)
        assert.equal((await end(asking))?.status, hearsItself ? 500 : undefined)
        assert.deepEqual(outcomes, [outcome])
        assert.ok(served.errors.length > 0 && served.errors.every((error) => error === failure))
        assert.deepEqual(
          heard.filter((event) => event !== 'onDisconnect'),
          ['onSuspend', ...(call === 'resume' ? ['onResume'] : []), 'onComplete'],
        )
      })
    }
  })
})
