import type * as Koa from 'koa'

/** Whoever has a response that Koa is not to send. It may be told more than once, and of one that it has no more. */
export interface Taker {
  /** All that stands above has returned. */
  returned(ctx: Koa.Context): void
}

const TAKER: unique symbol = Symbol('koa-continuation taker')

interface Taken extends Koa.Context {
  [TAKER]?: Taker
}

/**
 * Takes a response out of Koa's hands, by `ctx.respond`, and tells when all that stands above has returned: then Koa looks whether it is
 * to respond. Whoever looks is taken for Koa: who it is cannot be seen without a trace of the stack, which costs too much. Where something
 * above throws nothing is told: the error is answered.
 */
export function takeOut(ctx: Koa.Context, taker: Taker): void {
  ;(ctx as Taken)[TAKER] = taker
  Object.defineProperty(ctx, 'respond', respond)
}

/** Whether a response is out of Koa's hands already. To look at `ctx.respond` is left to Koa where that tells somebody. */
export function isTaken(ctx: Koa.Context): boolean {
  return (ctx as Taken)[TAKER] !== undefined || ctx.respond === false
}

const respond: PropertyDescriptor & ThisType<Taken> = {
  configurable: true,
  enumerable: true,
  get() {
    this[TAKER]?.returned(this)
    return false
  },
  set(value: boolean) {
    Object.defineProperty(this, 'respond', { configurable: true, enumerable: true, writable: true, value })
  },
}
