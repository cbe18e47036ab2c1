import { channel } from 'node:diagnostics_channel'
import type * as Koa from 'koa'

type Request = Koa.Context['req']
type Response = Koa.Context['res']

const finished = channel('http.server.response.finish')

/** Whether nobody hears of the end of a response that is held, but for Node and one who holds it. */
export function isUnheard(res: Response): boolean {
  return (
    res.listenerCount('finish') <= 1 &&
    res.listenerCount('close') <= 1 &&
    !ofResponse.some((name) => res.listenerCount(name) > 0) &&
    isRequestUnheard(res.req) &&
    !finished.hasSubscribers
  )
}

/** What a response may tell beside that; `end` is what on-finished listens to. */
const ofResponse = ['end', 'error', 'prefinish', 'drain', 'pipe', 'unpipe', 'timeout']

export function isRequestUnheard(req: Request): boolean {
  return !ofRequest.some((name) => req.listenerCount(name) > 0)
}

const ofRequest = ['close', 'end', 'data', 'readable', 'error', 'aborted']

/** A request that nobody listens to is over at once: for its body to end, and it to close, Node takes five rounds of its own. */
export function closeUnheard(req: Request & { _dumped?: boolean; readonly _readableState?: ReadableState }): void {
  const { _readableState: state } = req
  if (state === undefined) return
  req._dumped = true
  state.endEmitted = true
  state.destroyed = true
  state.closed = true
}

/** What Node keeps of a stream. */
interface ReadableState {
  endEmitted: boolean
  destroyed: boolean
  closed: boolean
}
