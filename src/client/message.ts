/** What came over a channel. */
export interface Message<T = unknown> {
  /**
   * Its place in its channel: the same as in the receipt of `publish()`, whichever way it came, until the log begins a new
   * epoch.
   */
  readonly id: string
  readonly event?: string
  /** Its channel, where the connection follows several. */
  readonly channel?: string
  readonly data: T
  /** Something between this message and the one before it was missed: the server did not keep it for so long. */
  readonly gap?: true
}

/** Messages with the cursor behind them, and whether something before them was missed. */
export interface Batch<T = unknown> {
  readonly cursor: string
  readonly messages: readonly Message<T>[]
  readonly gap?: boolean
}
