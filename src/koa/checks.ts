// What core gives, for the rooms that build on this one: how options are checked, what time it is, where many stand in line,
// and how those who are held are sent home.
export { Chain, Chained } from '../core/chain.js'
export { type Clock, LONGEST_TIMER, shownTime, systemClock } from '../core/clock.js'
export { checkDrainOptions, type Drained, type DrainOptions, drain } from '../core/drain.js'
export { DrainError, SuspensionLimitError } from '../core/errors.js'
export type { Turns, Wakeable } from '../core/host.js'
export {
  checkClock,
  checkCount,
  checkFunction,
  checkNumber,
  checkOptions,
  checkPositive,
  checkRange,
  clientBy,
  invalid,
  isToCome,
  shown,
} from '../core/options.js'
export { retryAfter } from '../core/retry-after.js'
