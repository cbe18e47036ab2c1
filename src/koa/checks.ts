// How options are checked, for the rooms that build on this one.
export { checkCount, checkFunction, checkOptions, checkRange, invalid } from '../core/options.js'
