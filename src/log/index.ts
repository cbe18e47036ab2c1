export { type DescribeLogOptions, describeLog } from './describe-log.js'
export type { After, Backlog, Gap, Log, Message, Position, Reading, Stored } from './log.js'
export { MemoryLog, type MemoryLogOptions } from './memory.js'
