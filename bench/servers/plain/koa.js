// A JSON route of a Koa app with a router, which never suspends.
import Router from '@koa/router'
import Koa from 'koa'
import { user } from './users.js'

export function attach(server, _options, ...above) {
  const app = new Koa()
  for (const middleware of above) app.use(middleware)
  const router = new Router()
  router.get('/users/:id', (ctx) => {
    ctx.body = user(ctx.params.id)
  })
  app.use(router.routes())
  server.on('request', app.callback())
  return { held: () => 0 }
}
