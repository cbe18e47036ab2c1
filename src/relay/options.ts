import { type Clock, systemClock } from '../core/clock.js'
import { checkClock, checkCount, checkFunction, checkOptions, checkRange, invalid } from '../core/options.js'
import type { Backlog, Gap } from '../log/log.js'

/** Which managers belong together, and how long a receipt is waited for. */
export interface RelayOptions {
  /**
   * Managers that are relayed under the same name in the same log belong together. Default `'relay'`. A `Channel` of that name is
   * another thing: what is published there wakes nobody here, and who follows it sees nothing of this.
   */
  name?: string | undefined
  /**
   * Milliseconds to wait until the other processes have said how many they woke. 0: nobody is asked. Default 1 000, at most an
   * hour; it takes that long only where a process has ended without a word or stands still, and as long after this one has begun.
   */
  gather?: number | undefined
  /** How much is kept for a process that stands still: messages (1 000), bytes (1 MiB), age in milliseconds (60 000). */
  backlog?: { messages?: number | undefined; bytes?: number | undefined; age?: number | undefined } | undefined
  /**
   * Told what goes wrong beside the calls: a `RelayGapError` where wake-ups were missed, and what the log fails with.
   * Default: a warning of the process.
   */
  onTrouble?: ((error: Error) => void) | undefined
  clock?: Clock | undefined
}

export interface RelaySettings {
  readonly name: string
  /** The channels of the log: of the entries, and of the receipts. */
  readonly entries: string
  readonly receipts: string
  readonly gather: number
  readonly backlog: Backlog
  readonly onTrouble: (error: Error) => void
  readonly clock: Clock
}

/**
 * The second half of a character, before which there is no first one: no name of a `Channel` begins so. Visitors may choose such
 * names, and publish there, and nothing of that must be taken for an entry.
 */
const NO_CHANNEL = '\udc00'

export function relaySettings(options: RelayOptions): RelaySettings {
  checkOptions('A Relay', options, ['name', 'gather', 'backlog', 'onTrouble', 'clock'])
  const { name = 'relay', gather = 1_000, backlog = {}, clock = systemClock } = options
  const { onTrouble = (error) => process.emitWarning(error) } = options
  checkOptions('backlog', backlog, ['messages', 'bytes', 'age'])
  const { messages = 1_000, bytes = 1_048_576, age = 60_000 } = backlog
  if (typeof name !== 'string' || name === '') throw invalid('name', 'a string', name)
  checkRange('gather', gather, 0, 3_600_000)
  checkCount('backlog.messages', messages, 1)
  checkCount('backlog.bytes', bytes, 1)
  checkRange('backlog.age', age, 1)
  checkFunction('onTrouble', onTrouble)
  checkClock(clock)
  const entries = `${NO_CHANNEL}relay:${name}`
  const receipts = `${NO_CHANNEL}receipts:${name}`
  return { name, entries, receipts, gather, backlog: { messages, bytes, age }, onTrouble, clock }
}

/** A process has missed wake-ups: it stood still for longer than they are kept, or the log has lost some, or has begun anew. */
export class RelayGapError extends Error {
  override readonly name = 'RelayGapError'
  readonly code: string = 'ERR_RELAY_GAP'
  readonly gap: Gap

  constructor(name: string, gap: Gap) {
    super(`Wake-ups of ${JSON.stringify(name)} may have been missed: the log says ${gap}`)
    this.gap = gap
  }
}
