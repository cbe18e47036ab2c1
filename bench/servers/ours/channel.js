// A channel a key: messages are kept and read from cursors, by long polls or as server-sent events.
import Koa from 'koa'
import { continuations, Hub } from 'koa-continuation'
import { printErrors } from '../errors.js'

export function attach(server, { timeout }) {
  const hub = new Hub({ hold: timeout, jitter: 0 })
  const key = (ctx) => ctx.path.split('/')[2]
  const subscribe = hub.subscriber((ctx) => hub.channel(key(ctx)).name)
  const publish = hub.publisher(key)

  const app = printErrors(new Koa())
  app.use(continuations())
  app.use((ctx, next) => {
    if (ctx.path.startsWith('/hold/')) return subscribe(ctx, next)
    if (ctx.path.startsWith('/publish/')) return publish(ctx, next)
    ctx.body = 'here'
  })
  server.on('request', app.callback())
  return { held: () => [...hub].reduce((held, { size }) => held + size, 0) }
}
