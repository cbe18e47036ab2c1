import type { Duplex } from 'node:stream'
import type * as Koa from 'koa'
import type { Clock } from '../core/clock.js'
import { type ServedSocket, socketOf } from './connection.js'

type Request = Koa.Context['req']
type Exchange = Pick<Koa.Context, 'req' | 'res'>

/** A body was announced, nobody has begun to read it, and it is not all here. */
export function isBodyToCome(req: Request): boolean {
  return isAnnounced(req) && req.readableFlowing === null && !isHere(req)
}

/** A body follows the head. A client of HTTP/2 need not say so there, and its stream knows. */
function isAnnounced(req: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
  if (encoding !== undefined || (length !== undefined && length !== '0')) return true
  const { stream } = req as { stream?: { endAfterHeaders: boolean } }
  return stream !== undefined && !stream.endAfterHeaders
}

/** Throws away a body that nobody reads: it stops the reading of the socket, and then nobody sees the client leave. */
export function discardBody({ req, res }: Exchange): void {
  if ((req.complete && req.readableLength === 0) || !isAnnounced(req)) return
  if (req.destroyed && req.httpVersionMajor < 2) discardRest(req, socketOf(res, req))
  // a parser that has given it up leaves it paused
  else if (!req.readableFlowing && req.listenerCount('data') + req.listenerCount('readable') === 0) req.resume()
}

/** A request whose reading was broken off takes no more of its body, and what came of it would stop the socket for good. */
function discardRest(req: Request & { _dumped?: boolean }, socket: ServedSocket | undefined): void {
  req._dumped = true
  // what Node has stopped for the sake of an answer that is not taken, it lets go on itself
  if (socket?.readable && !socket._paused) socket.resume()
}

/** All of it is here, or as much as is kept for whoever will read it; or no more will come. */
function isHere(req: Request): boolean {
  const { _readableState: state } = req as unknown as { _readableState: { ended: boolean } }
  return state.ended || req.destroyed || req.readableLength >= req.readableHighWaterMark
}

/**
 * Calls `here` when the body is here, or as much of it as is kept for whoever will read it. It reads nothing.
 *
 * @returns stops listening
 */
export function onceBodyIsHere(req: Request, here: () => void): () => void {
  const look = (): void => {
    if (!isHere(req)) return
    stop()
    here()
  }
  let listens = true
  const stop = (): void => {
    // once: to stop again would stop a body that somebody reads meanwhile without a listener, as to do away with it
    if (listens) req.off('readable', look)
    listens = false
  }
  req.on('readable', look)
  return stop
}

/**
 * Does away with a body that nobody has read when the response is sent, as Node does where nobody has waited for it: what is
 * left of it would keep the next request of the connection out, and a stream of HTTP/2 open.
 */
export function dumpUnread({ req, res }: Exchange, clock: Clock): void {
  const { stream } = req as { stream?: Duplex & { close(): void } }
  const dump = (): void => {
    if (req.readableFlowing !== null || req.readableDidRead) return
    req.resume()
    // a turn later than the end of the response, which must have gone out
    if (stream !== undefined) clock.nextTurn(() => stream.close())
  }
  // of HTTP/2 a response says that it is finished when its stream is closed
  if (stream === undefined) res.once('finish', dump)
  else stream.once('finish', () => clock.nextTurn(dump))
}

/** What has come together with the head is handed on in this turn of the event loop, but after all that is under way. */
export function comesWithHead(req: Request, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = onceBodyIsHere(req, () => resolve(true))
    clock.nextTurn(() => {
      stop()
      resolve(false)
    })
  })
}
