import type Koa from 'koa'

/** Why a request is not done, for the client to read. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly expose = true
  readonly status: number
  readonly code: string
  readonly headers: Record<string, string>

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** Answers every refusal in one form: those of this app, of the threads, of their lane, and of the router. */
export async function refusals(ctx: Koa.Context, next: Koa.Next): Promise<void> {
  ctx.set('Cache-Control', 'no-store')
  try {
    await next()
    if (ctx.status === 404 && !ctx.body) throw new Refusal(404, 'ERR_NO_ROUTE', `There is no ${ctx.path} here`)
    if (ctx.status === 405) throw new Refusal(405, 'ERR_METHOD_NOT_ALLOWED', `Not by ${ctx.method}`)
  } catch (error) {
    const { expose, status, code, message, headers } = error as Refusal
    // what is nobody's refusal is for Koa to report
    if (!expose) throw error
    ctx.status = status
    ctx.set(headers)
    ctx.body = { error: { code, message } }
  }
}
