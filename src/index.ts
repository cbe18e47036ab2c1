import './koa/types.js'

export type { Clock } from './core/clock.js'
export {
  Continuation,
  type ContinuationAttributes,
  type ContinuationContext,
  type Outcome,
} from './core/continuation.js'
export {
  BoundaryError,
  DisconnectError,
  DispatchLimitError,
  IllegalStateError,
  type LimitScope,
  SuspensionLimitError,
} from './core/errors.js'
export type { Phase } from './core/lifecycle.js'
export type { ContinuationListener } from './core/listeners.js'
export { getContinuation } from './koa/boundary.js'
export { continuations } from './koa/continuations.js'
export type { ContinuationsOptions } from './koa/settings.js'
export { suspendable } from './koa/suspendable.js'
export { ContinuationManager, type ManagerOptions } from './manager/manager.js'
