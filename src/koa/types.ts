import type * as Koa from 'koa'
import type { Continuation } from '../core/continuation.js'

declare module '../core/continuation.js' {
  interface ContinuationHost {
    context: Koa.Context
  }
}

declare module 'koa' {
  interface ExtendableContext {
    /**
     * The continuation of this request, the same in every dispatch.
     *
     * Asked for where neither `continuations()` nor `suspendable()` stands above, it throws a `BoundaryError`; it is
     * `undefined` there until a request of the app has met one of them. `getContinuation(ctx)` throws in any case.
     */
    readonly continuation: Continuation
  }
}
