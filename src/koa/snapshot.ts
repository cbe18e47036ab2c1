import type Koa from 'koa'

/** What Koa's response and the routers keep beside what their types show. */
interface Inside {
  response: { _body: unknown; _explicitStatus: boolean | undefined; _explicitNullBody: boolean | undefined }
  respond?: boolean | undefined
  _matchedParams?: ParamsSeen | undefined
  request: { params?: unknown }
}

type Named = Record<string, unknown>

/**
 * How the response and the routing stood at the boundary, so that each dispatch begins there.
 *
 * `ctx.state`, the parsed body and whatever else hangs on the context stay as they are.
 */
export class Snapshot {
  readonly #status: number
  /** HTTP/2 has none, and warns of one that is read or set. */
  readonly #message: string | undefined
  readonly #headers: readonly (readonly [name: string, value: number | string | string[]])[] | undefined
  readonly #removals: Named
  readonly #body: unknown
  readonly #explicitStatus: boolean | undefined
  readonly #explicitNullBody: boolean | undefined
  readonly #respond: boolean | undefined
  readonly #url: string | undefined
  readonly #method: string | undefined
  readonly #routing: Named
  readonly #paramsSeen: ParamsSeen | undefined

  constructor(ctx: Koa.Context) {
    const { res, req } = ctx
    const { response, respond } = ctx as unknown as Inside
    this.#status = res.statusCode
    this.#message = req.httpVersionMajor < 2 ? res.statusMessage : undefined
    this.#headers = headersOf(res)
    this.#removals = removalsOf(res as unknown as Named)
    this.#body = response._body
    this.#explicitStatus = response._explicitStatus
    this.#explicitNullBody = response._explicitNullBody
    this.#respond = respond
    this.#url = req.url
    this.#method = req.method
    this.#routing = routingOf(ctx as unknown as Named)
    this.#paramsSeen = seenAbove(ctx)
  }

  restore(ctx: Koa.Context): void {
    const { res, req } = ctx
    req.url = this.#url
    req.method = this.#method
    this.#restoreRouting(ctx)
    if (res.headersSent) return
    const inside = ctx as unknown as Inside
    const { response } = inside
    if (response._body !== this.#body) {
      abandon(response._body)
      response._body = this.#body
    }
    response._explicitStatus = this.#explicitStatus
    response._explicitNullBody = this.#explicitNullBody
    if (inside.respond !== this.#respond) inside.respond = this.#respond
    res.statusCode = this.#status
    if (req.httpVersionMajor < 2) res.statusMessage = this.#message as string
    this.#restoreHeaders(res)
    putBack(res as unknown as Named, this.#removals)
  }

  #restoreHeaders(res: Koa.Context['res']): void {
    const before = this.#headers
    for (const name of res.getHeaderNames()) {
      if (!before?.some(([kept]) => kept.toLowerCase() === name)) res.removeHeader(name)
    }
    if (before === undefined) return
    for (const [name, value] of before) {
      if (!isSame(res.getHeader(name), value)) res.setHeader(name, Array.isArray(value) ? [...value] : value)
    }
  }

  #restoreRouting(ctx: Koa.Context): void {
    putBack(ctx as unknown as Named, this.#routing)
    const inside = ctx as unknown as Inside
    if (inside._matchedParams !== undefined) inside._matchedParams = this.#paramsSeen?.anew()
    if (inside.request.params !== undefined) inside.request.params = this.#routing['params']
  }
}

/**
 * What routers leave on the context: @koa/router, those that follow its names, and koa-mount. The path is looked at apart.
 *
 * Named one by one and not by a list, here and below: every request comes by, and by a list it takes three times as long.
 */
function routingOf(ctx: Named): Named {
  const { params, captures, matched, router, routerPath, routerName, routeMatched, mountPath } = ctx
  const { _matchedRoute, _matchedRouteName } = ctx
  return {
    params,
    captures,
    // grows in place
    matched: Array.isArray(matched) ? [...matched] : matched,
    router,
    routerPath,
    routerName,
    routeMatched,
    mountPath,
    _matchedRoute,
    _matchedRouteName,
  }
}

/** Node's word on what it adds to a response by itself, and no more once somebody has removed it. */
function removalsOf({ sendDate, _removedConnection, _removedContLen, _removedTE }: Named): Named {
  return { sendDate, _removedConnection, _removedContLen, _removedTE }
}

function putBack(where: Record<string, unknown>, before: Named): void {
  for (const [name, value] of Object.entries(before)) {
    if (where[name] !== value) where[name] = Array.isArray(value) ? [...value] : value
  }
}

function headersOf(res: Koa.Context['res']): [string, number | string | string[]][] | undefined {
  const names = res.getHeaderNames()
  if (names.length === 0) return undefined
  // HTTP/1 keeps the names as they were written
  const { getRawHeaderNames } = res as { getRawHeaderNames?: () => string[] }
  const written = getRawHeaderNames?.call(res) ?? names
  return written.map((name) => {
    const value = res.getHeader(name) as number | string | string[]
    return [name, Array.isArray(value) ? [...value] : value]
  })
}

function isSame(one: unknown, other: unknown): boolean {
  if (!Array.isArray(one) || !Array.isArray(other)) return one === other
  return one.length === other.length && one.every((value, place) => value === other[place])
}

function seenAbove(ctx: Koa.Context): ParamsSeen | undefined {
  const inside = ctx as unknown as Inside
  if (inside._matchedParams === undefined) return undefined
  const seen = new ParamsSeen(inside._matchedParams)
  inside._matchedParams = seen.anew()
  return seen
}

/** Which `router.param()` handlers have run: those from above the boundary, and of each dispatch its own. */
class ParamsSeen {
  readonly #above: Pick<WeakMap<object, unknown>, 'has' | 'get'>
  readonly #here = new WeakMap<object, unknown>()

  constructor(above: Pick<WeakMap<object, unknown>, 'has' | 'get'>) {
    this.#above = above
  }

  anew(): ParamsSeen {
    return new ParamsSeen(this.#above)
  }

  has(handler: object): boolean {
    return this.#here.has(handler) || this.#above.has(handler)
  }

  get(handler: object): unknown {
    return this.#here.has(handler) ? this.#here.get(handler) : this.#above.get(handler)
  }

  set(handler: object, value: unknown): this {
    this.#here.set(handler, value)
    return this
  }
}

/** A stream that a suspended dispatch had set as its body will not be sent: let go of what it holds. */
function abandon(body: unknown): void {
  const stream = body as { pipe?: unknown; destroy?: () => void; once?: (event: string, listener: () => void) => void }
  if (typeof stream?.pipe !== 'function' || typeof stream.destroy !== 'function') return
  stream.once?.('error', () => {})
  stream.destroy()
}
