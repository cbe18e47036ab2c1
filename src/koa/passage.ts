import type * as Koa from 'koa'

/**
 * Middleware that counts who runs below it. It hears when a request that it has let in is parked below, and is asked
 * before the request goes on: so one that waits takes up no place.
 */
export interface Passage {
  /** The one further out. */
  readonly outer: Passage | undefined
  /** The request is parked below. */
  parked(): void
  /** The request is to go on below. Answers with what to wait for first, if there is anything. */
  reenter(): Promise<void> | undefined
  /** The request is not to wait before it goes on: what `reenter` answers with rejects. `false` where it does not wait now. */
  refuse(error: unknown): boolean
}

const PASSAGE: unique symbol = Symbol('koa-continuation passage')

interface Passing {
  [PASSAGE]?: Passage | undefined
}

/** The innermost that the request is in. */
export function passageOf(ctx: Koa.Context): Passage | undefined {
  return (ctx as Passing)[PASSAGE]
}

export function setPassage(ctx: Koa.Context, passage: Passage | undefined): void {
  ;(ctx as Passing)[PASSAGE] = passage
}

/** Tells all that the request is in, from the inside out. */
export function parkIn(passage: Passage | undefined): void {
  for (let each = passage; each !== undefined; each = each.outer) each.parked()
}

/** Enters all again, always from the inside out, so that no two requests wait for each other. */
export function reenterAll(passage: Passage | undefined): Promise<void> | undefined {
  for (let each = passage; each !== undefined; each = each.outer) {
    const entering = each.reenter()
    const { outer } = each
    if (entering !== undefined) return outer === undefined ? entering : entering.then(() => reenterAll(outer))
  }
  return undefined
}

/** A request that is to go on does not wait for that, now or later, but has this error. `false` where it does not wait now. */
export function refuseIn(passage: Passage | undefined, error: unknown): boolean {
  let waits = false
  for (let each = passage; each !== undefined; each = each.outer) waits = each.refuse(error) || waits
  return waits
}
