export { LogOwner, type LogOwnerOptions } from './owner.js'
export type { Port, PostingPort } from './port.js'
export { PortLog, type PortLogOptions, type PortLogState } from './port-log.js'
