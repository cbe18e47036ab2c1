import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type * as Koa from 'koa'

type Response = Koa.Context['res']
type Closed = (finished: boolean) => void

/**
 * The socket that a request came by, `undefined` where it came by none. Node takes `req.socket` away where the reading of the body is
 * broken off, as by a `break` out of a loop over it, and the connection goes on.
 */
export function socketOf(res: Response, req = res.req): Socket | undefined {
  const asked = req as { readonly socket: Socket | null; readonly client?: Socket | null }
  // a response that waits behind another one has no socket, and Node keeps another way to it, which has no type
  return asked.socket ?? res.socket ?? asked.client ?? undefined
}

/** `ctx.ip`, for which Koa asks `req.socket`. */
export function addressOf(ctx: Koa.Context): string {
  const { socket } = ctx.req as { readonly socket: Socket | null }
  return socket === null ? (ctx.ips[0] ?? socketOf(ctx.res, ctx.req)?.remoteAddress ?? '') : ctx.ip
}

/** Those whose response waits behind another one on the same connection, by socket. */
const queued = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `closed` once, when the socket is done with the response: `true` when all of it was handed over, `false` when
 * the client left before.
 *
 * The `close` of a response tells both. A pipelined response has no socket until those before it are sent, and hears
 * nothing of its end until then; for those the socket is asked.
 */
export function watchConnection(ctx: Koa.Context, closed: Closed): void {
  const { res } = ctx
  if (isClosed(res)) {
    closed(isFinished(res))
    return
  }
  // as once() does it, with a wrapper less to keep
  onClosing(res, function close(this: Closing) {
    // one that was reset with an error, or destroyed, closes yet, and has its error then, and its session no more
    if (this.session && (this.rstCode || this.destroyed)) return
    offClosing(this, close)
    const finished = isFinished(res)
    if (!finished) tellError(ctx)
    closed(finished)
  })
  watchQueued(res, () => closed(false))
}

interface Closing extends EventEmitter {
  readonly session?: object
  readonly rstCode?: number
  readonly destroyed?: boolean
}

/**
 * Calls `listener` when a response is over. A stream of HTTP/2 that the client resets without an error while some of the response waits to be
 * sent never closes before Node.js 26; that the response was cut off it says at once.
 */
function onClosing(res: Response, listener: (this: Closing) => void): EventEmitter {
  const closing = closingOf(res).on('close', listener)
  return closing === res ? closing : closing.on('aborted', listener)
}

function offClosing(closing: EventEmitter, listener: (this: Closing) => void): void {
  closing.off('close', listener).off('aborted', listener)
}

/**
 * What tells by `close` that a response is over. Over HTTP/2 that is its stream: a response to HEAD that the client resets before it was
 * ended says nothing.
 */
export function closingOf(res: Response): EventEmitter {
  const { stream } = res as { stream?: EventEmitter }
  return stream ?? res
}

/**
 * Calls `left` when the connection of a response closes while others on it are to be sent before this one: of that, the response
 * itself hears nothing. Of any other response it does.
 */
export function watchQueued(res: Response, left: () => void): void {
  const { req } = res
  if (res.socket !== null || req.httpVersionMajor >= 2) return
  const socket = socketOf(res)
  if (socket === undefined) return
  // it has closed already, and says so to nobody any more
  if (socket.destroyed) {
    left()
    return
  }
  queuedOn(socket).add(left)
  res.once('close', () => queued.get(socket)?.delete(left))
}

/**
 * Calls `left` when the client leaves, which is still there.
 *
 * @returns stops that
 */
export function onceLeft(ctx: Koa.Context, left: () => void): () => void {
  const { res, req } = ctx
  const closed = (): void => {
    stop()
    if (hasLeft(ctx)) left()
  }
  const socket = res.socket === null && req.httpVersionMajor < 2 ? socketOf(res, req) : undefined
  const line = socket && queuedOn(socket)
  const stop = (): void => {
    offClosing(closing, closed)
    line?.delete(closed)
  }
  const closing = onClosing(res, closed)
  line?.add(closed)
  return stop
}

/** Apart, since what listens to a connection keeps all that stands around it for as long as the connection is open. */
function queuedOn(socket: Socket): Set<() => void> {
  const known = queued.get(socket)
  if (known !== undefined) return known
  const all = new Set<() => void>()
  queued.set(socket, all)
  socket.once('close', () => {
    for (const left of all) left()
  })
  return all
}

const WAITS: unique symbol = Symbol('koa-continuation waits')

interface Waited {
  /** Whether Koa still waits for the end of the response; `undefined` before it was asked to stop. */
  [WAITS]?: boolean
}

/**
 * Ends Koa's own wait for the end of the response, which is a third of what Node and Koa keep of a request. Where others
 * wait by the same means, as a log may, all go on waiting.
 *
 * Koa waits by the package on-finished. That takes an `end` for an end too, and it alone listens to that of a response.
 */
export function stopWaiting(ctx: Koa.Context): void {
  const waited = ctx as Waited
  // who waits by itself after that is not Koa
  if (waited[WAITS] !== undefined) return
  const { res } = ctx
  const { __onFinished: end } = res as { readonly __onFinished?: { readonly queue?: readonly unknown[] | null } | null }
  waited[WAITS] = !(end?.queue?.length === 1 && res.listenerCount('end') === 1)
  if (!waited[WAITS]) res.emit('end')
}

/** The connection is closed: tells Koa of its error, if Koa does not hear of it by itself any more. */
function tellError(ctx: Koa.Context): void {
  const waited = ctx as Waited
  const errored = socketOf(ctx.res, ctx.req)?.errored ?? null
  if (waited[WAITS] !== false || errored === null) return
  waited[WAITS] = true
  ctx.onerror(errored)
}

/** A connection as Node's HTTP server has it. */
export interface ServedSocket extends Socket {
  /** The response whose turn it is. */
  readonly _httpMessage?: Response | null
  /** `incoming` is the request whose head came last. */
  readonly parser?: { readonly incoming: Koa.Context['req'] | null } | null
  /** Node reads no further for now: answers are not taken. */
  readonly _paused?: boolean
}

const closing = new WeakSet<Response>()

/**
 * Lets the connection end with this response, or with the last of those that are in line behind it: it would end without theirs.
 * Node says `Connection: close`, or that no more streams are taken.
 */
export function closeAfter(res: Response): void {
  const { req } = res
  if (req.httpVersionMajor >= 2) {
    ;(req as { stream?: { session?: { close(): void } } }).stream?.session?.close()
    return
  }
  if (closing.has(res)) return
  closing.add(res)
  // the head of a stream has gone out, and what it said of the connection with it
  if (!res.headersSent && res.shouldKeepAlive) Object.defineProperty(res, 'shouldKeepAlive', forOthers)
  res.once('finish', passOn)
}

/** Node asks when it writes the head, and only then it is known who has come in line. */
const forOthers: PropertyDescriptor = {
  configurable: true,
  enumerable: true,
  get(this: Response): boolean {
    const incoming = (socketOf(this) as ServedSocket | undefined)?.parser?.incoming
    return incoming != null && incoming !== this.req
  },
  // by Node, where something else in the head decides
  set(this: Response, value: boolean) {
    Object.defineProperty(this, 'shouldKeepAlive', { configurable: true, enumerable: true, writable: true, value })
  },
}

/** Node has given the connection to the next in line already. That one may have been answered long ago, and said nothing of it. */
function passOn(this: Response): void {
  // let go of by one who holds it, it says that it is over, and its answer is still to come
  if (!this.headersSent) return
  const socket: ServedSocket | undefined = socketOf(this)
  if (socket?._httpMessage) closeAfter(socket._httpMessage)
  else socket?.end()
}

/** All of the response was handed over. HTTP/2 calls finished what the client has reset as well. */
export function isFinished(res: Koa.Context['res']): boolean {
  const { stream } = res as { stream?: { rstCode: number } }
  return res.writableEnded && res.writableFinished && !stream?.rstCode
}

/**
 * Cuts a response off in the midst, so that its client sees that this is not all of it: a stream of HTTP/2 that is just destroyed looks
 * whole. Nobody is told of an error: it is none of the connection's.
 */
export function cutOff(ctx: Koa.Context): void {
  const { res } = ctx
  const { stream } = res as { stream?: { close(code: number): void } }
  ;(ctx as Waited)[WAITS] = true
  if (stream === undefined) {
    res.destroy()
    return
  }
  // whoever waits by on-finished, as Koa may, would take the reset for an error
  res.emit('end')
  stream.close(INTERNAL_ERROR)
}

/** `NGHTTP2_INTERNAL_ERROR`. */
const INTERNAL_ERROR = 2

/** Nothing more can be sent, whether all was sent or not. */
export function isClosed(res: Koa.Context['res']): boolean {
  const { stream } = res as { stream?: { destroyed: boolean; aborted: boolean } }
  return stream === undefined ? res.destroyed : stream.destroyed || stream.aborted
}

/** The client is gone and has not had its whole response, asked at this moment. */
export function hasLeft({ req, res }: Koa.Context): boolean {
  if (isFinished(res)) return false
  return isClosed(res) || (req.httpVersionMajor < 2 && socketOf(res, req)?.destroyed === true)
}
