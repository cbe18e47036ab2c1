// What a channel and its clients say to each other. It imports nothing, so that both may import it.

/** Parameters of the query. */
export const CURSOR = 'cursor'
export const WAIT = 'wait'

/** The cursor of who reads from the oldest message kept. */
export const OLDEST = '0'

/** The type of a server-sent event that says that something was missed. */
export const GAP = 'gap'

/** A comment at the start of an event stream: what follows is `{ channel, data }`, of several channels. */
export const CHANNELS = 'channels'

export const EVENT_STREAM = 'text/event-stream'

/** The code of the error when a cursor cannot be read. */
export const INVALID_CURSOR = 'ERR_INVALID_CURSOR'

/** Milliseconds that a poll is held when the client does not say how long. */
export const HOLD = 25_000

/** Milliseconds without a byte after which a stream is given up: two heartbeats, 15 s each, and a little more. */
export const QUIET = 35_000

/** A message as it is sent. */
export interface WireMessage {
  readonly id: string
  readonly event?: string
  readonly channel?: string
  readonly data: unknown
}

/** The body of the answer to a poll. */
export interface WireAnswer {
  readonly cursor: string
  readonly messages: readonly WireMessage[]
  readonly gap?: boolean
}
