import type { Socket } from 'node:net'
import type Koa from 'koa'

type Closed = (finished: boolean) => void

/** Those whose response waits behind another one on the same connection, by socket. */
const queued = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `closed` once, when the socket is done with the response: `true` when all of it was handed over, `false` when
 * the client left before.
 *
 * The `close` of a response tells both. A pipelined response has no socket until those before it are sent, and hears
 * nothing of its end until then; for those the socket is asked.
 */
export function watchConnection({ req, res }: Koa.Context, closed: Closed): void {
  if (isClosed(res)) {
    closed(isFinished(res))
    return
  }
  // as once() does it, with a wrapper less to keep
  res.on('close', function close() {
    res.off('close', close)
    closed(isFinished(res))
  })
  if (res.socket !== null || req.httpVersionMajor >= 2) return

  const { socket } = req
  const left = (): void => closed(false)
  let waiting = queued.get(socket)
  if (waiting === undefined) {
    const all = new Set<() => void>()
    waiting = all
    queued.set(socket, all)
    socket.once('close', () => {
      for (const left of all) left()
    })
  }
  waiting.add(left)
  res.once('close', () => queued.get(socket)?.delete(left))
}

/** Lets the connection end with this response: Node says `Connection: close`, or that no more streams are taken. */
export function closeAfter({ req, res }: Pick<Koa.Context, 'req' | 'res'>): void {
  if (req.httpVersionMajor >= 2) (req as { stream?: { session?: { close(): void } } }).stream?.session?.close()
  // the head of a stream has gone out, and what it said of the connection with it
  else if (res.headersSent) res.once('finish', () => req.socket.end())
  else res.shouldKeepAlive = false
}

/** All of the response was handed over. HTTP/2 calls finished what the client has reset as well. */
export function isFinished(res: Koa.Context['res']): boolean {
  const { stream } = res as { stream?: { rstCode: number } }
  return res.writableEnded && res.writableFinished && !stream?.rstCode
}

/** Nothing more can be sent, whether all was sent or not. */
export function isClosed(res: Koa.Context['res']): boolean {
  const { stream } = res as { stream?: { destroyed: boolean } }
  return stream === undefined ? res.destroyed : stream.destroyed
}

/** The client is gone and has not had its whole response, asked at this moment. */
export function hasLeft({ req, res }: Koa.Context): boolean {
  if (isFinished(res)) return false
  return isClosed(res) || (req.httpVersionMajor < 2 && req.socket.destroyed)
}
