import type { Batch, Message } from './message.js'

/** What came and was not yet handed over. */
export interface Inbox<T> {
  readonly full: boolean
  put(batch: Batch<T>): void
  /** Resolves when all was handed over, or nothing will be any more. */
  emptied(): Promise<void>
  /** From now on what comes is for listeners, unless a loop takes it. */
  listen(): void
  /** What comes, for a loop. Its asking for the next one says that the one before was dealt with. */
  taken(): AsyncGenerator<Message<T>, void, undefined>
  /** @param reason loops throw it, when they have what is still there; without one that is not handed over either */
  close(reason?: Error): void
}

interface Item<T> {
  /** Without one it is a gap. */
  readonly message?: Message<T>
  /** Where the reader stands once it was dealt with; of a batch only the last one has it. */
  cursor?: string
}

/**
 * @param tell hands over to the listeners
 * @param move called with the cursor when a loop asks for the next one, or the listeners have returned
 * @param left called when a loop is over, or is left
 */
export function inboxOf<T>(
  tell: (type: 'message' | 'gap', detail: unknown) => void,
  move: (cursor: string) => void,
  left: () => void,
): Inbox<T> {
  let items: Item<T>[] = []
  let taking = false
  let listening = false
  let closed = false
  let failure: Error | undefined
  /** What loops have and have not dealt with, in order. */
  const inHand: Item<T>[] = []
  /** There is a gap that no message has told of. */
  let missed = false
  /** Those who wait for something to change: any number of loops, and who waits until all was handed over. */
  const bells: (() => void)[] = []
  const ring = (): void => {
    for (const bell of bells.splice(0)) bell()
  }
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      bells.push(resolve)
    })

  /** Hands over the next one. */
  const next = (): Item<T> | undefined => {
    for (;;) {
      const item = items.shift()
      if (!item) return
      ring()
      if (item.message) {
        inHand.push(item)
        Object.assign(item.message, missed && { gap: true })
        missed = false
        tell('message', item.message)
        return item
      }
      missed = true
      tell('gap', item)
    }
  }
  /** It was dealt with. Where another loop has an earlier one in hand, that one takes the cursor along. */
  const settle = (item: Item<T>): void => {
    const place = inHand.indexOf(item)
    const before = inHand[place - 1]
    inHand.splice(place, 1)
    if (!item.cursor) return
    if (before) before.cursor = item.cursor
    else move(item.cursor)
  }
  const hand = (): void => {
    ring()
    if (!listening || taking) return
    for (let item = next(); item; item = next()) settle(item)
  }

  async function* take(): AsyncGenerator<Message<T>, void, undefined> {
    taking = true
    try {
      for (;;) {
        const item = next()
        if (item) {
          yield item.message as Message<T>
          settle(item)
        } else if (!closed) await change()
        else if (failure) throw failure
        else return
      }
    } finally {
      left()
    }
  }

  return {
    get full() {
      return !!items[0]
    },
    put({ cursor, messages, gap }) {
      if (closed) return
      if (gap) items.push({ cursor })
      let rest = messages.length
      for (const message of messages) items.push({ message, cursor: --rest ? '' : cursor })
      // who has not seen all of what came before must find it again
      if (!items[0] && !inHand[0] && !missed) move(cursor)
      hand()
    },
    async emptied() {
      while (items[0]) await change()
    },
    listen() {
      listening = true
      queueMicrotask(hand)
    },
    taken() {
      const loop = take()
      const leave = loop.return.bind(loop)
      // its own would wait for the next message, and do nothing before the first
      loop.return = (value) => {
        left()
        return leave(value)
      }
      return loop
    },
    close(reason) {
      closed = true
      failure = reason
      if (!reason) items = []
      ring()
    },
  }
}
