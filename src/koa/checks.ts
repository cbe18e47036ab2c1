// How options are checked, and what time it is, for the rooms that build on this one.
export { type Clock, systemClock } from '../core/clock.js'
export { checkCount, checkFunction, checkNumber, checkOptions, checkRange, invalid } from '../core/options.js'
