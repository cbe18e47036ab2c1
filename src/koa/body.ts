import type Koa from 'koa'

type Request = Koa.Context['req']

/** A body was announced, and it is not all here. */
export function isBodyToCome(req: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
  if (encoding === undefined && (length === undefined || length === '0')) {
    const { stream } = req as { stream?: { endAfterHeaders: boolean } }
    if (stream === undefined || stream.endAfterHeaders) return false
  }
  return !isHere(req)
}

/** All of it is here, or as much as is kept for whoever will read it. What somebody reads already is theirs. */
function isHere(req: Request): boolean {
  const { _readableState: state } = req as unknown as { _readableState: { ended: boolean } }
  if (state.ended || req.destroyed || req.readableFlowing === true) return true
  return req.readableLength >= req.readableHighWaterMark
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
  const stop = (): void => void req.off('readable', look)
  req.on('readable', look)
  return stop
}
