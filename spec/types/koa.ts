// Compiled, never run: what an editor and a compiler must say of the public types.
import Router from '@koa/router'
import Koa from 'koa'
import {
  type Continuation,
  ContinuationManager,
  type ContinuationsOptions,
  continuations,
  getContinuation,
  type Outcome,
  suspendable,
} from 'koa-continuation'

declare module 'koa-continuation' {
  interface ContinuationAttributes {
    typed: { readonly n: number }
  }
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

const app = new Koa()
const router = new Router()
const clients = new ContinuationManager()

// by importing the package, every Koa context has its continuation
app.use((ctx) => {
  same<typeof ctx.continuation, Continuation>(true)
  // @ts-expect-error it is not the app's to set
  ctx.continuation = undefined
})
router.get('/:id', (ctx) => {
  same<typeof ctx.continuation, Continuation>(true)
  same<ReturnType<typeof getContinuation>, Continuation>(true)
  getContinuation(ctx).suspend()
})
new Koa<{ user: string }, { own: number }>().use((ctx) => {
  same<typeof ctx.continuation.context, Koa.Context>(true)
  same<typeof ctx.state.user, string>(true)
})

// what a handler is given inside suspendable() is what it is given outside
app.use(
  suspendable(async (ctx, next) => {
    same<typeof ctx.continuation, Continuation>(true)
    await next()
  }),
)
router.get(
  '/:id',
  suspendable((ctx) => {
    ctx.body = ctx.continuation.id
  }),
)
// @ts-expect-error no function
suspendable('handler')

function calls(continuation: Continuation): void {
  same<boolean, ReturnType<typeof continuation.resume>>(true)
  same<Promise<Outcome>, ReturnType<typeof continuation.wait>>(true)
  same<AbortSignal, typeof continuation.signal>(true)
  same<'resumed' | 'expired' | 'completed' | 'disconnected', Outcome>(true)
  same<never, ReturnType<typeof continuation.undispatch>>(true)

  // attributes that nobody has typed are unknown, those merged in have their type
  const loose = continuation.getAttribute('message')
  same<unknown, typeof loose>(true)
  const typed = continuation.getAttribute('typed')
  same<{ readonly n: number } | undefined, typeof typed>(true)
  continuation.setAttribute('typed', { n: 1 })
  // @ts-expect-error of another type
  continuation.setAttribute('typed', 'one')
  continuation.resume({ typed: { n: 1 }, message: 'anything' })
  // @ts-expect-error of another type
  continuation.resume({ typed: 1 })
  // @ts-expect-error no object
  continuation.resume('message')

  // @ts-expect-error no number
  continuation.suspend('5s')
  // @ts-expect-error no number
  continuation.setTimeout()

  const remove = continuation.addContinuationListener({
    onError: (of, error) => {
      same<Continuation, typeof of>(true)
      same<unknown, typeof error>(true)
    },
  })
  same<() => void, typeof remove>(true)
  // @ts-expect-error there is no such event
  continuation.addContinuationListener({ onTimeOut: () => {} })

  // @ts-expect-error what the rooms of the library share is not the app's
  continuation.driver
}

continuations({ timeout: 0, limits: { total: 5 }, clientId: (ctx) => ctx.ip })
// @ts-expect-error there is no such option
continuations({ timeOut: 5 })
const options: ContinuationsOptions = { jitter: 0.2 }
continuations(options)

for (const continuation of clients) calls(continuation)
same<number, ReturnType<typeof clients.broadcast>>(true)
same<Continuation | undefined, ReturnType<typeof clients.get>>(true)
// @ts-expect-error there is no such way
new ContinuationManager({ second: 'first' })
// @ts-expect-error no continuation
clients.stash(app)
