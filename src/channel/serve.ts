import type * as Koa from 'koa'
import { hasBoundary } from '../koa/boundary.js'
import { suspendable } from '../koa/suspendable.js'
import { ChannelError } from './errors.js'
import { poll } from './poll.js'
import { type Asked, askedBy } from './request.js'
import { stream } from './stream.js'
import { Subscription } from './subscription.js'

/** A handler that serves whoever follows, in the way that is asked for. */
export function subscriberOf(
  subscribe: (ctx: Koa.Context, asked: Asked) => Subscription | Promise<Subscription>,
): Koa.Middleware {
  const serve = async (context: Koa.ParameterizedContext): Promise<void> => {
    const ctx = context as Koa.Context
    let subscription: Subscription | undefined
    // one function and no more: what waits in each is kept for as long as the request
    try {
      const asked = ctx.method === 'HEAD' ? ({ ...askedBy(ctx), way: 'poll', wait: 0 } as const) : askedBy(ctx)
      // what is there already is not awaited: each step that is costs as much as the rest of a poll
      const subscribed = subscribe(ctx, asked)
      subscription = subscribed instanceof Subscription ? subscribed : await subscribed
      const authorizing = subscription.authorize()
      if (authorizing !== undefined) await authorizing
      const beginning = subscription.begin()
      if (beginning !== undefined) await beginning
      if (asked.way === 'poll') await poll(subscription, asked)
      else await stream(subscription, { ...asked, way: asked.way })
    } catch (error) {
      refuse(ctx, error)
    } finally {
      subscription?.end()
    }
  }
  const bounded = suspendable(serve)
  // it waits in place, so a boundary above is as good as one of its own, and need not be doubled
  return (ctx, next) => (hasBoundary(ctx as Koa.Context) ? serve(ctx) : bounded(ctx, next))
}

/** What a client did wrong is answered with its code; everything else goes on to Koa. */
export async function refusing(ctx: Koa.Context, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    refuse(ctx, error)
  }
}

function refuse(ctx: Koa.Context, error: unknown): void {
  if (!(error instanceof ChannelError)) throw error
  ctx.status = error.status
  ctx.set('Cache-Control', 'no-store')
  ctx.remove('ETag')
  ctx.body = { error: { code: error.code, message: error.message } }
}
