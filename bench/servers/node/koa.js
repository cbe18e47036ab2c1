// Koa with a handler that awaits a promise: settled by the message, by its time limit, or when the client leaves.
import { bareKoa } from '../bare-koa.js'
import { Lines } from '../lines.js'

export function attach(server, { timeout }) {
  const lines = new Lines()

  const next = (key, res) =>
    new Promise((resolve) => {
      const settle = (message) => {
        clearTimeout(timer)
        res.off('close', give)
        resolve(message)
      }
      const give = () => {
        lines.delete(key, settle)
        settle(undefined)
      }
      const timer = setTimeout(give, timeout)
      res.once('close', give)
      lines.add(key, settle)
    })

  const app = bareKoa({
    async hold(ctx) {
      const message = await next(ctx.state.key, ctx.res)
      if (message === undefined) ctx.status = 204
      else ctx.body = message
    },
    publish(key, message) {
      const waiting = lines.take(key)
      for (const settle of waiting) settle(message)
      return waiting.size
    },
  })
  server.on('request', app.callback())
  return { held: () => lines.size }
}
