// Koa, with each `ctx.res` that is held in a Set, and taken out of it when its client leaves. No time limit.
import { bareKoa } from '../bare-koa.js'
import { Lines } from '../lines.js'

export function attach(server) {
  const lines = new Lines()

  const app = bareKoa({
    hold(ctx) {
      const { res } = ctx
      const { key } = ctx.state
      ctx.respond = false
      lines.add(key, res)
      res.on('close', () => lines.delete(key, res))
    },
    publish(key, message) {
      const waiting = lines.take(key)
      for (const res of waiting) res.end(message)
      return waiting.size
    },
  })
  server.on('request', app.callback())
  return { held: () => lines.size }
}
