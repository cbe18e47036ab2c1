import type { ConnectionError } from './errors.js'
import type { Message } from './message.js'

/**
 * `'connecting'`: asking, and the server has not answered yet. `'open'`: it has; what is new comes. `'waiting'`: after a
 * failure, until the next try. `'paused'`: offline, or the page was left. `'closed'`: for good.
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'paused' | 'closed'

/** What the `detail` of each event is. */
export interface ConnectionEvents<T = unknown> {
  /** It is handed over; the cursor moves when the listeners have returned. */
  message: Message<T>
  /** Something was missed, for the server did not keep it for so long; it goes on from the cursor. */
  gap: { readonly cursor: string }
  state: ConnectionState
  /**
   * A request came to nothing: unless the error is `final`, there will be another. Or, with the code `ERR_STORAGE`, the
   * storage did not keep the cursor: all else goes on.
   */
  error: ConnectionError
  /** The last event; with what ended it, or `null` where that was the app. */
  close: ConnectionError | null
}

type Listener<T, Type extends keyof ConnectionEvents> =
  | ((event: CustomEvent<ConnectionEvents<T>[Type]>) => void)
  | { handleEvent(event: CustomEvent<ConnectionEvents<T>[Type]>): void }

/** A channel that is followed; `connect()` makes it. */
export interface Connection<T = unknown> extends Omit<EventTarget, 'addEventListener' | 'removeEventListener'> {
  /** Where to go on, behind what was handed over; `undefined` until the server has told. */
  readonly cursor: string | undefined
  readonly state: ConnectionState

  /** Ends it at once: what has not been handed over stays behind the cursor. A second time it does nothing. */
  close(): void

  /**
   * The messages, from now on those of one loop. Asking for the next says that the one before was dealt with: the cursor
   * moves, and of several that came in one answer with the last of them. Leaving the loop closes the connection, also while
   * it waits. Of two loops each gets what the other has not taken; the cursor stays before what either has in hand, and both
   * end with the connection.
   *
   * @throws {ConnectionError} from the loop, after the last message: the server has refused
   */
  [Symbol.asyncIterator](): AsyncGenerator<Message<T>, void, undefined>

  addEventListener<Type extends keyof ConnectionEvents>(
    type: Type,
    listener: Listener<T, Type> | null,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  removeEventListener<Type extends keyof ConnectionEvents>(
    type: Type,
    listener: Listener<T, Type> | null,
    options?: Parameters<EventTarget['removeEventListener']>[2],
  ): void
}
