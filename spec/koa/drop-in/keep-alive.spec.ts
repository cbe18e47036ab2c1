import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import type { Socket } from 'node:net'
import type Koa from 'koa'
import { ContinuationManager, continuations, suspendable } from '../../../src/index.js'
import { until } from '../../support/gate.js'
import { forEachKoa } from '../../support/koas.js'
import { ManualClock } from '../../support/manual-clock.js'
import { type Served, serve } from '../../support/serve.js'

describe('held requests on a connection that is kept alive', () => {
  let clients: ContinuationManager
  let clock: ManualClock
  let heard: string[]
  let served: Served
  let agent: Agent
  afterEach(() => {
    agent.destroy()
    return served.close()
  })

  const handler: Koa.Middleware = (ctx) => {
    const { continuation } = ctx
    if (ctx.path.startsWith('/plain') || !continuation.isInitial()) {
      ctx.body = `news for ${ctx.path}`
      return
    }
    const hear = (event: string) => () => heard.push(`${event} ${ctx.path}`)
    continuation.addContinuationListener({ onDisconnect: hear('onDisconnect'), onComplete: hear('onComplete') })
    continuation.suspend()
    clients.stash(continuation, ctx.path)
    ctx.body = 'half an answer'
  }

  const held = (...paths: string[]) => until(() => paths.every((path) => [...clients.keys()].includes(path)))

  forEachKoa((_, Koa) => {
    for (const [form, use] of [
      ['continuations()', (app: Koa) => app.use(continuations({ clock })).use(handler)],
      ['suspendable()', (app: Koa) => app.use(continuations({ clock })).use(suspendable(handler))],
    ] as const) {
      describe(`with ${form}`, () => {
        beforeEach(async () => {
          clients = new ContinuationManager()
          clock = new ManualClock()
          heard = []
          agent = new Agent({ keepAlive: true, maxSockets: 1 })
          const app = new Koa()
          use(app)
          served = await serve(app)
        })

        const sockets = (): Set<Socket> => {
          const seen = new Set<Socket>()
          served.server.on('connection', (socket) => seen.add(socket))
          return seen
        }

        it('one socket carries a held request, then another, then one that is not held', async () => {
          const seen = sockets()
          for (const path of ['/a', '/b', '/a']) {
            const asking = served.ask('GET', path, { agent })
            await held(path)
            clients.resume(path)
            assert.equal((await asking).body, `news for ${path}`)
          }
          assert.equal((await served.ask('GET', '/plain', { agent })).body, 'news for /plain')
          assert.equal(seen.size, 1)
          await until(() => heard.length === 3)
          assert.deepEqual(heard, ['onComplete /a', 'onComplete /b', 'onComplete /a'])
        })

        it('leaves nothing on the socket, however many requests it has carried', async () => {
          const seen = sockets()
          const listeners: number[] = []
          for (let count = 0; count < 20; count++) {
            const asking = served.ask('GET', '/a', { agent })
            await held('/a')
            clients.resume('/a')
            await asking
            await until(() => heard.length === count + 1)
            const [socket] = seen
            assert.ok(socket !== undefined)
            listeners.push(socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0))
          }
          assert.equal(seen.size, 1)
          assert.equal(listeners[19], listeners[0])
        })

        it('the end of the time, complete() and fail() leave the socket for the next', async () => {
          const seen = sockets()
          const expired = served.ask('GET', '/expire', { agent })
          await held('/expire')
          await until(() => clock.timers === 1)
          clock.advance(30_000)
          assert.equal((await expired).body, 'news for /expire')
          const completed = served.ask('GET', '/complete', { agent })
          await held('/complete')
          clients.complete('/complete')
          assert.equal((await completed).body, 'half an answer')
          const failed = served.ask('GET', '/fail', { agent })
          await held('/fail')
          clients.fail('/fail', Object.assign(new Error('taken'), { status: 409, expose: true }))
          assert.equal((await failed).status, 409)
          assert.equal((await served.ask('GET', '/plain', { agent })).status, 200)
          assert.equal(seen.size, 1)
        })

        it('a POST whose body nobody has read is held, and the socket carries the next', async () => {
          const seen = sockets()
          const asking = served.ask('POST', '/a', { agent, body: 'x'.repeat(300_000) })
          await held('/a')
          clients.resume('/a')
          assert.equal((await asking).body, 'news for /a')
          assert.equal((await served.ask('GET', '/plain', { agent })).status, 200)
          assert.equal(seen.size, 1)
        })
      })
    }
  })
})
