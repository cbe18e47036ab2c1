/** Where the client has its time from. */
export interface ClientClock {
  /** Milliseconds since 1970. */
  now(): number
  setTimeout(callback: () => void, ms: number, argument?: undefined): unknown
  clearTimeout(timer: unknown): void
}

/** The time on the wall: unlike the time since the start, it goes on while the machine sleeps. */
export const wallClock: ClientClock = {
  now: Date.now,
  // timers take a signed 32-bit number; who waits longer looks again
  setTimeout: (callback, ms) => setTimeout(callback, Math.min(ms, 2 ** 31 - 1)),
  clearTimeout: (timer) => clearTimeout(timer as number),
}
