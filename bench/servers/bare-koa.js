import Koa from 'koa'
import { printErrors } from './errors.js'
import { read } from './read.js'

/** A Koa app with next to nothing in it: what stands between its requests and these two is the same for everybody. */
export function bareKoa({ hold, publish }) {
  return printErrors(new Koa()).use(async (ctx, next) => {
    const [, route, key] = ctx.path.split('/')
    ctx.state.key = key
    if (route === 'hold') return hold(ctx, next)
    if (route === 'publish') ctx.body = String(await publish(key, await read(ctx.req)))
    else ctx.body = 'here'
  })
}
