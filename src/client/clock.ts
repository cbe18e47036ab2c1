/** Where the client has its time from. */
export interface ClientClock {
  /** Milliseconds since whenever, never going backwards. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** A time that never is up. */
export const FOREVER = Number.POSITIVE_INFINITY

/** The machine's own time. */
export const systemClock: ClientClock = {
  now: () => performance.now(),
  // timers take a signed 32-bit number; who waits longer looks again
  setTimeout: (callback, ms) => setTimeout(callback, Math.min(ms, 2 ** 31 - 1)),
  clearTimeout: (timer) => clearTimeout(timer as number),
}
