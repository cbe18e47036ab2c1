import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import { connect } from '../../src/client/index.js'
import { Channel, ContinuationManager, continuations, getContinuation, Hub, suspendable } from '../../src/index.js'
import { MemoryLog } from '../../src/log/memory.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { showCalls } from './calls.js'
import { showClient } from './client.js'
import { showHolds } from './holds.js'
import { showLanes } from './lanes.js'
import { showLimits } from './limits.js'
import { showProcesses } from './processes.js'
import { showRedis } from './redis.js'
import { showShutdown } from './shutdown.js'
import { run, type Snippet, snippets } from './snippets.js'

/** What a snippet finds when it begins, and what is looked at when it has run. */
interface World extends Record<string, unknown> {
  app: Koa
  router: Router
  clients: ContinuationManager
}

const passing: Koa.Middleware = (_ctx, next) => next()

function world(): World {
  return {
    Koa,
    Router,
    bodyParser,
    Channel,
    Hub,
    ContinuationManager,
    continuations,
    suspendable,
    getContinuation,
    app: new Koa(),
    router: new Router(),
    clients: new ContinuationManager(),
    logger: passing,
    errorPages: passing,
    authenticate: passing,
  }
}

const all = await snippets()
const used = new Set<string>()

/** Runs the snippet of this name, then what looks at it. */
function shows(
  name: string,
  look: (own: World) => Promise<void> | void,
  add: () => object | Promise<object> = () => ({}),
): void {
  runs(name, async (snippet) => {
    const given = { ...world(), ...(await add()) }
    await look({ ...given, ...(await run(snippet, given)) })
  })
}

/** Leaves it to `body` how the snippet is run. */
function runs(name: string, body: (snippet: Snippet) => Promise<void>): void {
  it(name, async () => {
    const snippet = all.find((one) => one.name === name)
    assert.ok(snippet, `there is no snippet ${name}; there are:\n${all.map((one) => one.name).join('\n')}`)
    used.add(name)
    await body(snippet)
  })
}

describe('what the pages and docstrings show', () => {
  let served: Served | undefined
  afterEach(async () => {
    await served?.close()
    served = undefined
  })

  /** The app as the README puts it together. */
  const whole = async ({ app, router }: World, options = {}): Promise<Served> => {
    served = await serve(app.use(continuations(options)).use(bodyParser()).use(router.routes()))
    return served
  }
  const waiting = (manager: ContinuationManager, count = 1) => until(() => manager.size === count)

  async function subscribesAndPublishes(
    served: Served,
    clients: ContinuationManager,
    publish = '/publish',
  ): Promise<void> {
    const asking = [served.get('/subscribe'), served.get('/subscribe')]
    await waiting(clients, 2)
    assert.equal((await served.post(publish, { message: 'hello' })).body, 'ok')
    assert.deepEqual(
      (await Promise.all(asking)).map(({ body }) => body),
      ['hello', 'hello'],
    )
  }

  const servers: Koa[] = []
  const { listen } = Koa.prototype
  shows(
    'README.md, A first app #1',
    async ({ clients }) => {
      Koa.prototype.listen = listen
      served = await serve(servers[0] as Koa)
      await subscribesAndPublishes(served, clients, '/publish?message=hello')
    },
    () => {
      // its listen() is told to the test instead
      Koa.prototype.listen = function (this: Koa) {
        servers.push(this)
        return undefined as never
      }
      return {}
    },
  )

  shows('README.md, Three styles #1', async (own) => {
    const { get, post } = await whole(own)
    const asking = get('/next')
    await waiting(own.clients)
    assert.equal((await post('/news', { rain: true })).body, '{"woken":1}')
    assert.equal((await asking).body, '{"news":{"rain":true}}')
  })

  shows('README.md, Three styles #2', async (own) => {
    const { get, post } = await whole(own)
    const asking = get('/answer')
    await waiting(own.clients)
    assert.equal((await post('/answer', { yes: 1 })).body, '{"answered":1}')
    assert.equal((await asking).body, '{"yes":1}')
  })

  shows('README.md, Three styles #3', async (own) => {
    const { get } = await whole(own)
    const asking = get('/job/7')
    await waiting(own.clients)
    own.clients.resume('7', { result: 'done' })
    assert.equal((await asking).body, 'done')
  })

  shows('README.md, Where to put it #1', async ({ app, router, clients }) => {
    router.get('/', suspendsOnce(clients))
    served = await serve(app)
    const asking = served.get('/')
    await waiting(clients)
    clients.broadcast()
    assert.equal((await asking).body, 'again')
  })

  const held = new ContinuationManager()
  shows(
    'README.md, Where to put it #2',
    async ({ app, router }) => {
      served = await serve(app.use(router.routes()))
      const asking = served.get('/held')
      await waiting(held)
      held.broadcast()
      assert.equal((await asking).body, 'again')
    },
    () => ({ held: suspendsOnce(held) }),
  )

  const printed: unknown[] = []
  shows(
    'README.md, Who waits #1',
    ({ rooms }) => {
      assert.ok(rooms instanceof ContinuationManager)
      assert.deepEqual(printed, [0, [], rooms])
    },
    () => ({ console: { log: (...args: unknown[]) => printed.push(...args) } }),
  )

  shows('README.md, Options #1', async ({ app }) => {
    app.use((ctx) => {
      ctx.body = 'fine'
    })
    served = await serve(app)
    assert.equal((await served.get('/')).body, 'fine')
  })

  shows('docs/middleware.md, With other middleware #1', async ({ app, clients }) => {
    served = await serve(app.use(suspendsOnce(clients)))
    const asking = served.get('/')
    await waiting(clients)
    clients.broadcast()
    assert.equal((await asking).body, 'again')
  })

  let counted = 0
  shows(
    'docs/middleware.md, Your own middleware below the boundary #1',
    async ({ app, clients }) => {
      const outer = new Koa().use(continuations())
      for (const middleware of app.middleware) outer.use(middleware)
      served = await serve(outer.use(suspendsOnce(clients)))
      const asking = served.get('/')
      await waiting(clients)
      clients.broadcast()
      await asking
      assert.equal(counted, 1)
    },
    () => ({ count: async () => void counted++ }),
  )

  shows('docs/lifecycle.md, In tests #1', async ({ app, clients }) => {
    served = await serve(app.use(suspendsOnce(clients)))
    const real = { setTimeout, clearTimeout }
    const { now } = Date
    const fake = new ManualClock()
    Object.assign(globalThis, { setTimeout: fake.setTimeout, clearTimeout: fake.clearTimeout })
    Date.now = fake.now
    try {
      const asking = served.get('/')
      await waiting(clients)
      await until(() => fake.timers === 1)
      fake.advance(29_999)
      assert.equal(clients.size, 1)
      fake.advance(1)
      assert.equal((await asking).body, 'again')
    } finally {
      Object.assign(globalThis, real)
      Date.now = now
    }
  })

  let reads = 0
  const photos = new ContinuationManager()
  shows(
    'docs/middleware.md, Your own middleware below the boundary #2',
    async ({ app, router }) => {
      served = await serve(app.use(continuations()).use(router.routes()))
      const asking = served.post('/photos', 'a photo')
      await waiting(photos)
      photos.broadcast()
      assert.equal((await asking).body, 'a photo')
      assert.equal(reads, 1)
    },
    () => ({
      upload: {
        single: () => async (ctx: Koa.Context, next: Koa.Next) => {
          reads++
          ctx.request.body = await text(ctx.req)
          await next()
        },
      },
      held: (ctx: Koa.Context) => {
        if (!ctx.continuation.isInitial()) ctx.body = ctx.request.body
        else {
          ctx.continuation.suspend()
          photos.stash(ctx.continuation)
        }
      },
    }),
  )

  shows('src/core/continuation.ts, Continuation #1', async (own) => {
    const { get } = await whole(own, { timeout: 1 })
    assert.equal((await get('/subscribe')).body, '')
  })

  shows(
    'src/core/continuation.ts, signal #1',
    async (own) => {
      const { get } = await whole(own)
      const asking = get('/report')
      await until(() => (own['slow'] as { signal?: AbortSignal }).signal !== undefined)
      const { signal } = own['slow'] as { signal: AbortSignal }
      asking.request.destroy()
      await until(() => signal.aborted)
    },
    () => {
      const slow: { signal?: AbortSignal } = {}
      const report = (signal: AbortSignal) => {
        slow.signal = signal
        return new Promise((resolve) => signal.addEventListener('abort', resolve))
      }
      return { slow, report }
    },
  )

  shows(
    'src/core/continuation.ts, addContinuationListener #1',
    async (own) => {
      const { get } = await whole(own)
      await get('/watched')
      await until(() => logged.length > 0)
      assert.match(logged[0] as string, /^c\w+ is over$/)
    },
    () => ({ console: { log: (line: string) => logged.push(line) } }),
  )
  const logged: string[] = []

  shows('src/core/continuation.ts, undispatch #1', async (own) => {
    const { get } = await whole(own)
    const asking = get('/turn')
    await waiting(own.clients)
    own.clients.resume()
    assert.equal((await asking).body, 'your turn')
  })

  shows('src/koa/boundary.ts, getContinuation #1', async (own) => {
    const { get } = await whole(own)
    assert.match((await get('/who')).body, /^c\w+$/)
  })

  shows('src/core/continuation.ts, wait #1', async (own) => {
    const { get } = await whole(own)
    const asking = get('/subscribe')
    await waiting(own.clients)
    own.clients.broadcast({ message: 'hello' })
    assert.equal((await asking).body, 'hello')
  })

  it('src/core/continuation.ts, ContinuationAttributes #1', () => {
    // for the compiler: spec/types/koa.ts declares the like
    used.add('src/core/continuation.ts, ContinuationAttributes #1')
  })

  shows(
    'src/koa/continuations.ts, continuations #1',
    async ({ app, router, clients }) => {
      router.get('/', suspendsOnce(clients))
      served = await serve(app)
      const asking = served.get('/')
      await waiting(clients)
      clients.broadcast()
      assert.equal((await asking).body, 'again')
    },
    () => ({ logger: () => passing }),
  )

  const subscribers = new ContinuationManager()
  shows(
    'src/koa/suspendable.ts, suspendable #1',
    async ({ app, router }) => {
      served = await serve(app.use(router.routes()))
      const asking = served.get('/subscribe')
      await waiting(subscribers)
      subscribers.broadcast()
      assert.equal((await asking).body, 'again')
    },
    () => ({ subscribe: suspendsOnce(subscribers) }),
  )

  shows('src/manager/manager.ts, ContinuationManager #1', async (own) => {
    const served = await whole(own)
    await subscribesAndPublishes(served, own.clients)
  })

  for (const name of ['src/channel/channel.ts, Channel #1', 'README.md, Nothing lost between polls #1']) {
    shows(name, async ({ app, router, news }) => {
      served = await serve(app.use(router.routes()))
      const asking = served.get('/news')
      await waiting((news as Channel).waiters)
      assert.equal((await served.post('/news', { data: 'hello' })).status, 201)
      const { cursor, messages } = JSON.parse((await asking).body)
      assert.equal(messages[0].data, 'hello')
      await served.post('/news', { data: 'in between' })
      assert.equal(JSON.parse((await served.get(`/news?cursor=${cursor}`)).body).messages[0].data, 'in between')
    })
  }

  for (const name of ['src/channel/hub.ts, Hub #1', 'README.md, Nothing lost between polls #2']) {
    shows(name, async ({ app, router, hub }) => {
      served = await serve(app.use(router.routes()))
      const asking = served.get('/rooms?names=lobby,kitchen')
      await waiting(((hub as Hub).get('kitchen') as Channel).waiters)
      assert.equal((await served.post('/rooms/kitchen', { data: 'tea' })).status, 201)
      assert.equal(JSON.parse((await asking).body).messages[0].channel, 'kitchen')
    })
  }

  const taken: unknown[] = []
  shows(
    'README.md, The client #1',
    () => assert.deepEqual(taken, ['hello']),
    async () => {
      const news = new Channel('news')
      served = await serve(new Koa().use(news.subscriber()))
      const { url } = served
      let connection: { close(): void } | undefined
      return {
        reload: () => {},
        connect: (path: string) => {
          connection = connect(url + path)
          void waiting(news.waiters).then(() => news.publish('hello'))
          return connection
        },
        show: (data: unknown) => {
          taken.push(data)
          connection?.close()
        },
      }
    },
  )

  const described: string[] = []
  shows(
    'src/log/describe-log.ts, describeLog #1',
    () => assert.deepEqual(described, ['MemoryLog']),
    () => ({ MemoryLog, describeLog: (name: string) => described.push(name) }),
  )

  showCalls(shows as Parameters<typeof showCalls>[0], whole)
  showClient(shows)
  showLanes(shows)
  showLimits(shows)
  showProcesses(shows, runs)
  showRedis(runs)
  showHolds(shows)
  showShutdown(shows, runs)

  it('is all looked at', () => {
    assert.deepEqual(
      all.map(({ name }) => name).filter((name) => !used.has(name)),
      [],
    )
  })
})

function suspendsOnce(clients: ContinuationManager): Koa.Middleware {
  return (ctx) => {
    if (ctx.continuation.isInitial()) {
      ctx.continuation.suspend()
      clients.stash(ctx.continuation)
    } else ctx.body = 'again'
  }
}
