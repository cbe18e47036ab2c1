/**
 * Where the messages of channels live: in memory, behind a port, in a database. One contract for all of them, and one
 * suite that holds them to it: `describeLog`.
 *
 * - `append` gives every message of a channel the next number, without holes, and says which once it is kept.
 * - What `read` answers is in the order of the numbers, each message once, and never silent about a hole: where messages
 *   after the position are no longer there, or the position is not of this log, it says so and gives all there is.
 * - `tail` rings after messages were appended, by whomever. Rings may be doubled, and several messages may share one.
 *   Once its promise has resolved, no later message goes without a ring.
 */
export interface Log {
  /**
   * Appends a message, and drops the oldest ones over the backlog.
   *
   * @returns where it stands
   */
  append(channel: string, message: Message, backlog: Backlog): Promise<Position>
  /**
   * All messages after a position, the oldest first, at least one where there is one, and no more than `bytes`.
   *
   * @param after a position, `'oldest'` for all that are kept, `'now'` for none of them
   * @param bytes how much to read at most. Default `Infinity`
   */
  read(channel: string, after: After, bytes?: number): Promise<Reading>
  /**
   * Calls `ring` whenever the channel may have grown. In force when the promise resolves.
   *
   * @returns stops it
   */
  tail(channel: string, ring: () => void): Promise<() => void>
  /** Lets go of connections, ports and timers. Messages stay where they are. */
  close(): Promise<void>
}

/** What is published. */
export interface Message {
  /** What kind it is, for clients that tell kinds apart. */
  readonly event?: string | undefined
  /** As JSON. */
  readonly data: string
}

/** A message that a log keeps. */
export interface Stored extends Message {
  /** 1 for the first message of an epoch, then one more for each. */
  readonly seq: number
}

/** A place in a channel: behind the message with this number. */
export interface Position {
  /** Changes whenever the numbers begin anew. 1 to 64 letters of ASCII, digits and underscores: it is a part of cursors. */
  readonly epoch: string
  readonly seq: number
}

/** So an epoch is named. */
export const epochName = /^\w{1,64}$/

/** From where a log is read. */
export type After = Position | 'oldest' | 'now'

/** How much of a channel is kept. What is over any of them goes, the oldest first; but age alone, the newest message always stays. */
export interface Backlog {
  readonly messages: number
  /** Of data and events, as UTF-8. */
  readonly bytes: number
  /** Milliseconds. */
  readonly age: number
}

/**
 * Why messages may be missing before those that were read.
 *
 * - `trimmed`: some after the position are no longer kept
 * - `future`: the position is ahead of the log, which has lost its end
 * - `foreign`: the position is of another epoch
 */
export type Gap = 'trimmed' | 'future' | 'foreign'

/** What `read()` answers. */
export interface Reading {
  readonly messages: readonly Stored[]
  /** Behind the last message read: where to read on. */
  readonly next: Position
  readonly gap?: Gap | undefined
}

/** The bytes that a message counts for. */
export function sizeOf({ data, event = '' }: Message): number {
  return Buffer.byteLength(data) + Buffer.byteLength(event)
}

/** What a position means to a channel that keeps `oldest` to `last` of this `epoch`. */
export function locate(after: After, epoch: string, oldest: number, last: number): { from: number; gap?: Gap } {
  if (after === 'now') return { from: last + 1 }
  if (after === 'oldest') return { from: oldest }
  if (after.epoch !== epoch) return { from: oldest, gap: 'foreign' }
  if (after.seq > last) return { from: oldest, gap: 'future' }
  if (after.seq + 1 < oldest) return { from: oldest, gap: 'trimmed' }
  return { from: after.seq + 1 }
}
