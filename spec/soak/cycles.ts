import { once } from 'node:events'
import { Readable } from 'node:stream'
import type Koa from 'koa'
import { qos } from '../../src/flow/qos.js'
import { throttle } from '../../src/flow/throttle.js'
import type { Continuation, ContinuationManager } from '../../src/index.js'
import { suspendable } from '../../src/index.js'

/** What a cycle's handler may reach. */
export interface World {
  readonly manager: ContinuationManager
  /** Keeps one of each client. */
  readonly replacing: ContinuationManager
  /** Keeps nobody. */
  readonly full: ContinuationManager
  /** Lets the client of this request leave. */
  leave(ctx: Koa.Context): void
}

/** One way through the life of a request. */
export interface Cycle {
  readonly name: string
  readonly method?: 'POST'
  /** What the client gets; none where it leaves before. */
  readonly status?: number
  /** The client leaves while the answer is on its way: it may have it or not. */
  readonly either?: true
  handle(ctx: Koa.Context, world: World): unknown
}

const soon = (act: () => unknown): void => {
  setImmediate(act)
}

const revoked = (): Error => Object.assign(new Error('Revoked'), { status: 403, expose: true })

/** Suspends, stashes, and lets `act` decide; the next dispatch answers. */
function held(act: (key: unknown, world: World, ctx: Koa.Context) => void, timeout?: number): Cycle['handle'] {
  return (ctx, world) => {
    const { continuation } = ctx
    if (!continuation.isInitial()) {
      ctx.body = continuation.isExpired() ? null : continuation.getAttribute('message')
      return
    }
    continuation.suspend(timeout)
    world.manager.stash(continuation, continuation.id)
    act(continuation.id, world, ctx)
  }
}

/** Waits in place, and lets `act` decide. */
function waiting(act: (key: unknown, world: World, ctx: Koa.Context) => void, timeout?: number): Cycle['handle'] {
  return async (ctx, world) => {
    const { continuation } = ctx
    for (let time = 0; time < 2; time++) {
      const outcome = continuation.wait(timeout)
      world.manager.stash(continuation, continuation.id)
      act(continuation.id, world, ctx)
      const how = await outcome
      if (how === 'completed' || how === 'disconnected') return
      ctx.body = how === 'expired' ? null : how
    }
  }
}

const wake = (key: unknown, { manager }: World): void => soon(() => manager.resume(key, { message: 'news' }))

function again(continuation: Continuation, world: World): void {
  continuation.suspend()
  world.manager.stash(continuation, continuation.id)
  wake(continuation.id, world)
}

/** Goes through a limit whose only place is taken, until `act` gives it up. */
function inLine(act: (free: () => void, ctx: Koa.Context, world: World) => void, timeout?: number): Cycle['handle'] {
  return (ctx, world) => {
    const limit = qos({ maxRequests: 1, timeout })
    let free = (): void => {}
    void limit({ req: { headers: {} } } as Koa.Context, () => new Promise<void>((resolve) => (free = resolve)))
    const waiting = limit(ctx, async () => {
      ctx.body = 'its turn has come'
    })
    act(free, ctx, world)
    return waiting
  }
}

/** Every way that a suspension begins, is decided and ends, and the requests that never suspend. */
export const cycles: readonly Cycle[] = [
  { name: 'plain', status: 200, handle: (ctx) => (ctx.body = 'plain') },
  { name: 'asked for, not suspended', status: 200, handle: (ctx) => (ctx.body = ctx.continuation.id) },
  { name: 'resumed', status: 200, handle: held(wake) },
  {
    name: 'resumed before the return',
    status: 200,
    handle: held((key, { manager }) => manager.resume(key, { message: 'early' })),
  },
  {
    name: 'suspended three times',
    status: 200,
    handle(ctx, world) {
      const times = Number(ctx.continuation.getAttribute('times') ?? 0)
      ctx.continuation.setAttribute('times', times + 1)
      if (times < 3) again(ctx.continuation, world)
      else ctx.body = String(times)
    },
  },
  {
    name: 'left by undispatch()',
    status: 200,
    handle(ctx, world) {
      if (!ctx.continuation.isInitial()) {
        ctx.body = 'back'
        return
      }
      again(ctx.continuation, world)
      ctx.continuation.undispatch()
    },
  },
  { name: 'suspended with a body unread', method: 'POST', status: 200, handle: held(wake) },
  {
    name: 'suspended with a stream as its body',
    status: 200,
    handle(ctx, world) {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        ctx.body = Readable.from(['never sent'])
        again(continuation, world)
      } else ctx.body = 'sent'
    },
  },
  {
    name: 'in suspendable()',
    status: 200,
    handle: (ctx, world) =>
      suspendable((ctx) => {
        if (ctx.continuation.isInitial()) again(ctx.continuation, world)
        else ctx.body = 'inner'
      })(ctx as never, async () => {}),
  },
  {
    name: 'under several keys, with a signal',
    status: 200,
    handle: held((key, world, { continuation }) => {
      continuation.signal.addEventListener('abort', () => {})
      world.manager.stash(continuation, 'all')
      world.replacing.stash(continuation, continuation.id)
      wake(key, world)
    }),
  },
  { name: 'expired', status: 204, handle: held(() => {}, 1) },
  {
    name: 'expired after one more wait',
    status: 204,
    handle: held((_key, _world, { continuation }) => {
      let times = 0
      continuation.addContinuationListener({ onTimeout: () => times++ === 0 && continuation.setTimeout(1) })
    }, 1),
  },
  {
    name: 'completed',
    status: 204,
    handle: held((key, { manager }, ctx) => {
      ctx.body = null
      soon(() => manager.complete(key))
    }),
  },
  { name: 'failed', status: 403, handle: held((key, { manager }) => soon(() => manager.fail(key, revoked()))) },
  {
    name: 'thrown after suspend()',
    status: 403,
    handle: held(() => {
      throw revoked()
    }),
  },
  {
    name: 'replaced or expired',
    status: 204,
    handle: held((_key, { replacing }, { continuation }) => replacing.stash(continuation, 'one'), 20),
  },
  {
    name: 'refused by a limit',
    status: 503,
    handle: held((key, { full }, { continuation }) => full.stash(continuation, key)),
  },
  { name: 'left while parked', handle: held((_key, { leave }, ctx) => soon(() => leave(ctx))) },
  {
    name: 'left in the dispatch',
    async handle(ctx, world) {
      ctx.continuation.suspend()
      world.manager.stash(ctx.continuation)
      world.leave(ctx)
      await once(ctx.res, 'close')
    },
  },
  {
    name: 'left while woken',
    either: true,
    handle: held((key, { manager, leave }, ctx) =>
      soon(() => {
        manager.resume(key, { message: 'too late' })
        leave(ctx)
      }),
    ),
  },
  { name: 'waited, resumed', status: 200, handle: waiting(wake) },
  { name: 'waited, expired', status: 204, handle: waiting(() => {}, 1) },
  {
    name: 'waited, completed',
    status: 204,
    handle: waiting((key, { manager }, ctx) => {
      ctx.body = null
      soon(() => manager.complete(key))
    }),
  },
  {
    name: 'waited, failed',
    status: 403,
    handle: waiting((key, { manager }) => soon(() => manager.fail(key, revoked()))),
  },
  { name: 'waited, left', handle: waiting((_key, { leave }, ctx) => soon(() => leave(ctx))) },
  { name: 'waited in line', status: 200, handle: inLine((free) => soon(free)) },
  { name: 'waited in line with a body', method: 'POST', status: 200, handle: inLine((free) => soon(free)) },
  {
    name: 'waited in line for too long',
    status: 503,
    handle: inLine((free, { res }) => res.once('close', free), 1),
  },
  {
    name: 'left in line',
    handle: inLine((free, ctx, { leave }) => {
      ctx.res.once('close', free)
      soon(() => leave(ctx))
    }),
  },
  {
    name: 'put off',
    status: 200,
    async handle(ctx) {
      const limit = throttle({ rate: 1_000, burst: 1, clientId: () => 'one', policy: false })
      await limit({} as Koa.Context, async () => {})
      return limit(ctx, async () => {
        ctx.body = 'later'
      })
    },
  },
  {
    name: 'waited, but not awaited',
    status: 200,
    handle(ctx, { manager }) {
      void ctx.continuation.wait()
      manager.stash(ctx.continuation)
      ctx.body = 'gone on'
    },
  },
]
