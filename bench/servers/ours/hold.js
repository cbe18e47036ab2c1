// The plain hold: the same bytes to all, made once.
import { PlainHold } from 'koa-continuation'
import { bareKoa } from '../bare-koa.js'

export function attach(server, { timeout, compact }) {
  const clients = new PlainHold({ timeout, compact })
  const app = bareKoa({
    hold: (ctx) => clients.hold(ctx, ctx.state.key),
    publish: (key, message) => clients.answer(key, { body: message }),
  })
  server.on('request', app.callback())
  return { held: () => clients.size }
}
