import type Koa from 'koa'
import { refusalPage } from './page.js'

/** Why a request is not done, for the client to read. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly expose = true
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Answers every refusal as a page or as JSON: those of this app, and those of a lane that is full or too slow. */
export async function refusals(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  try {
    await next()
    if (ctx.status === 404 && !ctx.body) throw new Refusal(404, 'ERR_NO_ROUTE', `There is no ${ctx.path} here`)
  } catch (error) {
    const { expose, status, code, message, headers = {} } = error as Refusal & { headers?: Record<string, string> }
    // what is nobody's refusal is for Koa to report
    if (!expose) throw error
    ctx.status = status
    ctx.set(headers)
    ctx.body =
      ctx.accepts('json', 'html') === 'html'
        ? refusalPage(message, headers['Retry-After'])
        : { error: { code, message } }
  }
}
