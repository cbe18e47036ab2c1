import type * as Koa from 'koa'
import { abandon } from './body-stream.js'

/** What Koa's response and the routers keep beside what their types show. */
interface Inside {
  response: { _body: unknown; _explicitStatus: boolean | undefined; _explicitNullBody: boolean | undefined }
  respond?: boolean | undefined
  _matchedParams?: ParamsSeen | undefined
  request: { params?: unknown }
}

/** What stood at the boundary already, set by whatever is above it. */
interface Above {
  readonly status: number
  /** HTTP/2 has none, and warns of one that is read or set. */
  readonly message: string | undefined
  readonly headers: readonly (readonly [name: string, value: number | string | string[]])[] | undefined
  readonly body: unknown
  readonly explicitStatus: boolean | undefined
  readonly explicitNullBody: boolean | undefined
  readonly respond: boolean | undefined
  readonly removals: Removals
  readonly routing: Routing
  readonly paramsSeen: ParamsSeen | undefined
}

/** Node's word on what it adds to a response by itself, and no more once somebody has removed it. */
interface Removals {
  sendDate: boolean
  _removedConnection: boolean
  _removedContLen: boolean
  _removedTE: boolean
}

/** What routers leave on the context: @koa/router, those that follow its names, and koa-mount. The path is looked at apart. */
interface Routing {
  /** Some routers write what an inner route finds into what is there. */
  params?: unknown
  captures?: unknown
  /** Grows in place. */
  matched?: unknown
  router?: unknown
  routerPath?: unknown
  routerName?: unknown
  routeMatched?: unknown
  mountPath?: unknown
  _matchedRoute?: unknown
  _matchedRouteName?: unknown
}

/** As Koa hands a context on: nearly always nothing stands there yet, and then nothing is kept. */
const untouched: Above = {
  status: 404,
  message: undefined,
  headers: undefined,
  body: undefined,
  explicitStatus: undefined,
  explicitNullBody: undefined,
  respond: undefined,
  removals: { sendDate: true, _removedConnection: false, _removedContLen: false, _removedTE: false },
  routing: {},
  paramsSeen: undefined,
}

/**
 * How the response and the routing stood at the boundary, so that each dispatch begins there.
 *
 * `ctx.state`, the parsed body and whatever else hangs on the context stay as they are.
 *
 * What is looked at is named one by one and not by a list: every request comes by, and by a list it takes several times
 * as long. Nothing is written that stands there already: a property more would be a new shape of object to the engine.
 */
export class Snapshot {
  readonly #url: string | undefined
  readonly #method: string | undefined
  readonly #above: Above

  constructor(ctx: Koa.Context) {
    const { req } = ctx
    this.#url = req.url
    this.#method = req.method
    this.#above = isUntouched(ctx) ? untouched : above(ctx)
  }

  restore(ctx: Koa.Context): void {
    const { res, req } = ctx
    const inside = ctx as unknown as Inside
    const { response } = inside
    const { status, message, headers, body, explicitStatus, explicitNullBody, respond, removals } = this.#above
    if (req.url !== this.#url) req.url = this.#url
    if (req.method !== this.#method) req.method = this.#method
    this.#restoreRouting(ctx)
    if (res.headersSent) return
    if (response._body !== body) {
      abandon(response._body)
      response._body = body
    }
    if (response._explicitStatus !== explicitStatus) response._explicitStatus = explicitStatus
    if (response._explicitNullBody !== explicitNullBody) response._explicitNullBody = explicitNullBody
    if (inside.respond !== respond) inside.respond = respond
    if (res.statusCode !== status) res.statusCode = status
    if (req.httpVersionMajor < 2 && res.statusMessage !== message) res.statusMessage = message as string
    restoreHeaders(res, headers)
    if (res.sendDate !== removals.sendDate) res.sendDate = removals.sendDate
    if (req.httpVersionMajor < 2) restoreRemovals(res as unknown as Removals, removals)
  }

  #restoreRouting(ctx: Koa.Context): void {
    const { routing, paramsSeen } = this.#above
    const now = ctx as unknown as Routing
    const params = copied(routing.params)
    const captures = copied(routing.captures)
    if (now.params !== params) now.params = params
    if (now.captures !== captures) now.captures = captures
    if (now.matched !== routing.matched) now.matched = copied(routing.matched)
    if (now.router !== routing.router) now.router = routing.router
    if (now.routerPath !== routing.routerPath) now.routerPath = routing.routerPath
    if (now.routerName !== routing.routerName) now.routerName = routing.routerName
    if (now.routeMatched !== routing.routeMatched) now.routeMatched = routing.routeMatched
    if (now.mountPath !== routing.mountPath) now.mountPath = routing.mountPath
    if (now._matchedRoute !== routing._matchedRoute) now._matchedRoute = routing._matchedRoute
    if (now._matchedRouteName !== routing._matchedRouteName) now._matchedRouteName = routing._matchedRouteName
    const inside = ctx as unknown as Inside
    if (inside._matchedParams !== undefined) inside._matchedParams = paramsSeen?.anew()
    if (inside.request.params !== undefined) inside.request.params = params
  }
}

function isUntouched(ctx: Koa.Context): boolean {
  const { res, req } = ctx
  const { response, respond, _matchedParams } = ctx as unknown as Inside
  const { sendDate, _removedConnection, _removedContLen, _removedTE } = res as unknown as Removals
  const { params, captures, matched, router, routerPath, routerName, routeMatched, mountPath } = ctx as Routing
  const { _matchedRoute, _matchedRouteName } = ctx as Routing
  return (
    res.statusCode === 404 &&
    (req.httpVersionMajor >= 2 || res.statusMessage === undefined) &&
    response._body === undefined &&
    response._explicitStatus === undefined &&
    response._explicitNullBody === undefined &&
    respond === undefined &&
    sendDate &&
    !(_removedConnection || _removedContLen || _removedTE) &&
    params === undefined &&
    captures === undefined &&
    matched === undefined &&
    router === undefined &&
    routerPath === undefined &&
    routerName === undefined &&
    routeMatched === undefined &&
    mountPath === undefined &&
    _matchedRoute === undefined &&
    _matchedRouteName === undefined &&
    _matchedParams === undefined &&
    res.getHeaderNames().length === 0
  )
}

function above(ctx: Koa.Context): Above {
  const { res, req } = ctx
  const { response, respond } = ctx as unknown as Inside
  const { sendDate, _removedConnection, _removedContLen, _removedTE } = res as unknown as Removals
  const { params, captures, matched, router, routerPath, routerName, routeMatched, mountPath } = ctx as Routing
  const { _matchedRoute, _matchedRouteName } = ctx as Routing
  return {
    status: res.statusCode,
    message: req.httpVersionMajor < 2 ? res.statusMessage : undefined,
    headers: headersOf(res),
    body: response._body,
    explicitStatus: response._explicitStatus,
    explicitNullBody: response._explicitNullBody,
    respond,
    removals: { sendDate, _removedConnection, _removedContLen, _removedTE },
    routing: {
      params: copied(params),
      captures: copied(captures),
      matched: copied(matched),
      router,
      routerPath,
      routerName,
      routeMatched,
      mountPath,
      _matchedRoute,
      _matchedRouteName,
    },
    paramsSeen: seenAbove(ctx),
  }
}

/** What may be changed in place. Of what is neither a list nor a plain object nobody knows how to make another. */
function copied(value: unknown): unknown {
  // a list may be what a regular expression has matched, and have more than its places
  if (Array.isArray(value)) return Object.assign([], value)
  if (typeof value !== 'object' || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? Object.assign(Object.create(prototype), value) : value
}

function restoreRemovals(res: Removals, before: Removals): void {
  if (res._removedConnection !== before._removedConnection) res._removedConnection = before._removedConnection
  if (res._removedContLen !== before._removedContLen) res._removedContLen = before._removedContLen
  if (res._removedTE !== before._removedTE) res._removedTE = before._removedTE
}

function restoreHeaders(res: Koa.Context['res'], before: Above['headers']): void {
  for (const name of res.getHeaderNames()) {
    if (!before?.some(([kept]) => kept.toLowerCase() === name)) res.removeHeader(name)
  }
  if (before === undefined) return
  for (const [name, value] of before) {
    if (!isSame(res.getHeader(name), value)) res.setHeader(name, Array.isArray(value) ? [...value] : value)
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
