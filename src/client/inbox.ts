import type { Batch, Message } from './message.js'

interface Item<T> {
  /** Without one it is a gap. */
  readonly message?: Message<T>
  /** Where the reader stands once it was handed over; of a batch only the last one has it. */
  readonly cursor?: string
}

/**
 * What came and was not yet handed over: to the loop that takes, or else to whoever listens. The cursor moves when the
 * loop asks for the next, or the listeners have returned.
 */
export class Inbox<T> {
  readonly #tell: (type: 'message' | 'gap', detail: unknown) => void
  readonly #move: (cursor: string) => void
  #items: Item<T>[] = []
  #taking = false
  #listening = false
  #closed = false
  /** The loop has a message in hand. */
  #inHand = false
  /** A gap that no message has told of. */
  #missed = false
  #bell = (): void => {}
  #emptied = (): void => {}

  constructor(tell: (type: 'message' | 'gap', detail: unknown) => void, move: (cursor: string) => void) {
    this.#tell = tell
    this.#move = move
  }

  get full(): boolean {
    return this.#items.length > 0
  }

  /** Resolves when all was handed over, or nothing will be any more. */
  async emptied(): Promise<void> {
    while (this.full) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve
      })
    }
  }

  put({ cursor, messages, gap }: Batch<T>): void {
    if (gap) this.#items.push({ cursor })
    const last = messages.length - 1
    messages.forEach((message, place) => {
      this.#items.push(place === last ? { message, cursor } : { message })
    })
    // who has not seen all of what came before must find it again
    if (!this.full && !this.#inHand && !this.#missed) this.#move(cursor)
    this.#hand()
  }

  /** From now on what comes is for listeners, unless a loop takes it. */
  listen(): void {
    this.#listening = true
    queueMicrotask(() => this.#hand())
  }

  /** Takes the next message; `undefined` when there will be none. Asking for it says that the one before was dealt with. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message<T>, void, undefined> {
    this.#taking = true
    for (;;) {
      const item = this.#next()
      if (item) {
        this.#inHand = true
        yield item.message as Message<T>
        this.#inHand = false
        this.#settle(item)
      } else if (this.#closed) return
      else {
        await new Promise<void>((resolve) => {
          this.#bell = resolve
        })
      }
    }
  }

  /** @param all what is still there is not handed over either */
  close(all: boolean): void {
    this.#closed = true
    if (all) this.#items = []
    this.#bell()
    this.#emptied()
  }

  #hand(): void {
    this.#bell()
    if (!this.#listening || this.#taking) return
    for (let item = this.#next(); item; item = this.#next()) this.#settle(item)
  }

  /** Hands over the next one. */
  #next(): Item<T> | undefined {
    for (;;) {
      const item = this.#items.shift()
      if (!this.full) this.#emptied()
      if (!item) return
      if (item.message) {
        const message: Message<T> = this.#missed ? { ...item.message, gap: true } : item.message
        this.#missed = false
        this.#tell('message', message)
        return { ...item, message }
      }
      this.#missed = true
      this.#tell('gap', { cursor: item.cursor })
    }
  }

  #settle({ cursor }: Item<T>): void {
    if (cursor !== undefined) this.#move(cursor)
  }
}
