// Suspend, and dispatch again through a whole app: the router and the body parser run in each dispatch.
import Router from '@koa/router'
import Koa from 'koa'
import bodyParser from 'koa-bodyparser'
import { ContinuationManager, continuations } from 'koa-continuation'
import { printErrors } from '../errors.js'

export function attach(server, { timeout }) {
  const clients = new ContinuationManager()
  const router = new Router()
  router.get('/hold/:key', (ctx) => {
    const { continuation } = ctx
    if (continuation.isInitial()) {
      continuation.suspend()
      clients.stash(continuation, ctx.params.key)
    } else if (continuation.isExpired()) ctx.status = 204
    else ctx.body = continuation.getAttribute('message')
  })
  router.post('/publish/:key', (ctx) => {
    ctx.body = String(clients.resume(ctx.params.key, { message: ctx.request.body.data }))
  })
  router.get('/probe', (ctx) => {
    ctx.body = 'here'
  })

  const app = printErrors(new Koa())
  app.use(continuations({ timeout }))
  app.use(bodyParser())
  app.use(router.routes())
  server.on('request', app.callback())
  return { held: () => clients.size }
}
