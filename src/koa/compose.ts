import type * as Koa from 'koa'
import compose from 'koa-compose'

type Compose = (middleware: Koa.Middleware[]) => (ctx: Koa.Context, next?: Koa.Next) => unknown

/** The app's own `compose`, which Koa 3 lets an app choose; else Koa's. */
export function composeFor(app: Koa.Context['app']): Compose {
  return (app as { compose?: Compose }).compose ?? (compose as Compose)
}
