// Suspend, and dispatch again: a boundary round the one handler.
import { ContinuationManager, suspendable } from 'koa-continuation'
import { bareKoa } from '../bare-koa.js'

export function attach(server, { timeout }) {
  const clients = new ContinuationManager()
  const app = bareKoa({
    hold: suspendable((ctx) => {
      const { continuation } = ctx
      if (continuation.isInitial()) {
        continuation.suspend(timeout)
        clients.stash(continuation, ctx.state.key)
      } else if (continuation.isExpired()) ctx.status = 204
      else ctx.body = continuation.getAttribute('message')
    }),
    publish: (key, message) => clients.resume(key, { message }),
  })
  server.on('request', app.callback())
  return { held: () => clients.size }
}
