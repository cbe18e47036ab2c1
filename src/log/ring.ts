/** Rings all of them. What one throws is a warning of the process: neither who appends nor another one has to do with it. */
export function ringAll(bells: Iterable<() => void>): void {
  for (const ring of [...bells]) {
    try {
      ring()
    } catch (thrown) {
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
    }
  }
}
