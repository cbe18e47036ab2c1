/** Where the client has its time from. */
export interface ClientClock {
  /** Milliseconds since whenever, never going backwards. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** A time that never is up; so written, it is no longer in a bundle than a number. */
export const FOREVER = 1 / 0

/** The machine's own time. */
export const systemClock: ClientClock = {
  now: () => performance.now(),
  // timers take a signed 32-bit number, a little more than that; who waits longer looks again
  setTimeout: (callback, ms) => setTimeout(callback, Math.min(ms, 2e9)),
  clearTimeout: (timer) => clearTimeout(timer as number),
}
