import './koa/types.js'

export { Channel } from './channel/channel.js'
export { ChannelError } from './channel/errors.js'
export { Hub, type HubOptions, type Names } from './channel/hub.js'
export type { Authorize, ChannelOptions } from './channel/options.js'
export type { Receipt } from './channel/publish.js'
export type { Clock } from './core/clock.js'
export {
  Continuation,
  type ContinuationAttributes,
  type ContinuationContext,
  type Outcome,
} from './core/continuation.js'
export type { Drained, DrainOptions } from './core/drain.js'
export {
  BoundaryError,
  DisconnectError,
  DispatchLimitError,
  DrainError,
  IllegalStateError,
  type LimitScope,
  SuspensionLimitError,
  UnknownLaneError,
} from './core/errors.js'
export type { Job, JobOptions, ResultOf, ReturnWhenOptions } from './core/jobs.js'
export type { Phase } from './core/lifecycle.js'
export type { ContinuationListener } from './core/listeners.js'
export type { PlainAnswer } from './hold/answer.js'
export { PlainHold, type PlainHoldOptions } from './hold/plain-hold.js'
export { getContinuation } from './koa/boundary.js'
export { type Boundary, continuations } from './koa/continuations.js'
export type { ContinuationsOptions } from './koa/settings.js'
export { type Drainable, gracefulShutdown, type Shutdown, type ShutdownOptions } from './koa/shutdown.js'
export { suspendable } from './koa/suspendable.js'
export { type DescribeLogOptions, describeLog } from './log/describe-log.js'
export { LogError, type LogErrorOptions, type LogTrouble } from './log/errors.js'
export type { After, Backlog, Gap, Log, Message, Position, Reading, Stored } from './log/log.js'
export { MemoryLog, type MemoryLogOptions } from './log/memory.js'
export { ContinuationManager, type ManagerOptions } from './manager/manager.js'
export type { RelayKey } from './relay/entries.js'
export { UnserialisableError } from './relay/json.js'
export { RelayGapError, type RelayOptions } from './relay/options.js'
export { Relay, type RelayReceipt } from './relay/relay.js'
