// Suspend in place: the handler awaits, and is not dispatched again.
import { ContinuationManager, suspendable } from 'koa-continuation'
import { bareKoa } from '../bare-koa.js'

export function attach(server, { timeout }) {
  const clients = new ContinuationManager()
  const app = bareKoa({
    hold: suspendable(async (ctx) => {
      const { continuation } = ctx
      const waiting = continuation.wait(timeout)
      clients.stash(continuation, ctx.state.key)
      if ((await waiting) === 'resumed') ctx.body = continuation.getAttribute('message')
      else ctx.status = 204
    }),
    publish: (key, message) => clients.resume(key, { message }),
  })
  server.on('request', app.callback())
  return { held: () => clients.size }
}
