import Router from '@koa/router'
import Koa from 'koa'
import { draw, type Size } from './picture.js'

export interface Pictures {
  readonly app: Koa
  /** How many pictures are being drawn, and how many have been. */
  readonly figures: { drawing: number; drawn: number }
}

/**
 * A small app that draws pictures. It knows nothing of overload.
 *
 * @param first what stands above all of it
 */
export function createApp(first: readonly Koa.Middleware[] = [], size: Size = { width: 640, height: 400 }): Pictures {
  const app = new Koa()
  const router = new Router()
  const figures = { drawing: 0, drawn: 0 }

  router.get('/pictures/:seed', async (ctx) => {
    figures.drawing++
    try {
      ctx.type = 'image/bmp'
      ctx.body = await draw(Number(ctx.params['seed']), size)
      figures.drawn++
    } finally {
      figures.drawing--
    }
  })

  for (const middleware of first) app.use(middleware)
  app.use(router.routes())
  return { app, figures }
}
