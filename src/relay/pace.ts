import type { Backlog } from '../log/log.js'

/**
 * How much may be under way at once: half of what the log keeps, or one. More would push out of it what others have not read yet,
 * though none of them stands still.
 */
export class Pace {
  readonly #most: Pick<Backlog, 'messages' | 'bytes'>
  #messages = 0
  #bytes = 0
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  constructor({ messages, bytes }: Pick<Backlog, 'messages' | 'bytes'>) {
    this.#most = { messages: messages / 2, bytes: bytes / 2 }
  }

  /** Resolves when there is room, in the order of the calls. */
  enter(bytes: number): Promise<void> {
    return new Promise((go) => {
      this.#waiting.push({ bytes, go })
      this.#letIn()
    })
  }

  leave(bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
    this.#letIn()
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#messages++
      this.#bytes += next.bytes
      next.go()
    }
  }

  #hasRoom(bytes: number): boolean {
    if (this.#messages === 0) return true
    return this.#messages + 1 <= this.#most.messages && this.#bytes + bytes <= this.#most.bytes
  }
}
