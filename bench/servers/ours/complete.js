// Suspend, and whoever publishes writes the answer and completes: no further dispatch.
import { ContinuationManager, suspendable } from 'koa-continuation'
import { bareKoa } from '../bare-koa.js'

export function attach(server, { timeout }) {
  const clients = new ContinuationManager()
  const app = bareKoa({
    hold: suspendable((ctx) => {
      const { continuation } = ctx
      if (continuation.isExpired()) {
        ctx.status = 204
        return
      }
      continuation.suspend(timeout)
      clients.stash(continuation, ctx.state.key)
    }),
    publish(key, message) {
      for (const { context } of clients.waiting(key)) context.body = message
      return clients.complete(key)
    },
  })
  server.on('request', app.callback())
  return { held: () => clients.size }
}
