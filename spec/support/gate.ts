/** A promise with its handles: a test waits at it for a fact, and opens it when the fact is there. */
export interface Gate<T = void> extends PromiseLike<T> {
  readonly opened: Promise<T>
  open(value: T): void
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void
  const opened = new Promise<T>((resolve) => {
    open = resolve
  })
  // biome-ignore lint/suspicious/noThenProperty: a gate is awaited
  return { opened, open, then: (...then) => opened.then(...then) }
}

/** The next turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Turns the loop until the fact holds. The bound is for a fact that never comes: it must not keep the process. */
export async function until(fact: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!fact()) {
    if (performance.now() > end) throw new Error(`it never came true: ${fact}`)
    await turn()
  }
}
