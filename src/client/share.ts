import type { Batch } from './message.js'
import type { BroadcastLike, BrowserPage } from './page.js'

/** As much of `navigator.locks` as is used. */
export interface LockManager {
  request(
    name: string,
    options: { ifAvailable?: boolean; steal?: boolean; signal?: AbortSignal },
    callback: (lock: unknown) => unknown,
  ): Promise<unknown>
}

/** A batch, and the cursor that it was read from: it is for those who stand there. */
export interface Shared<T> extends Batch<T> {
  readonly from: string | undefined
}

export interface Share<T> {
  /** This one asks the server, for all. It is not known at first. */
  readonly leading: boolean | undefined
  tell(shared: Shared<T>): void
  /** Takes the lead from one who is silent: its page may be frozen. */
  steal(): void
  leave(): void
}

/**
 * Joins those of the same name in this browser. The one who has the lock leads; when it leaves, the next one does.
 *
 * @returns nothing where the browser has no locks or no broadcast, or the page may have none
 */
export function join<T>(
  name: string,
  { navigator, BroadcastChannel }: BrowserPage,
  changed: () => void,
  hear: (shared: Shared<T>) => void,
): Share<T> | undefined {
  const locks = navigator?.locks
  if (!locks || !BroadcastChannel) return
  let channel: BroadcastLike
  try {
    channel = new BroadcastChannel(name)
  } catch {
    return
  }
  channel.onmessage = ({ data }) => leading || hear(data as Shared<T>)
  const gone = new AbortController()
  const { signal } = gone
  let leading: boolean | undefined
  let release: (() => void) | undefined

  const hold = (lock: unknown): unknown => {
    if (!lock || signal.aborted) return
    leading = true
    changed()
    return new Promise<void>((resolve) => {
      release = resolve
    })
  }
  const enter = async (options: Parameters<LockManager['request']>[1]): Promise<void> => {
    try {
      await locks.request(name, options, hold)
    } catch (error) {
      // aborted, or stolen; where a page may have no locks, each leads itself
      if ((error as Error).name !== 'AbortError') await hold(true)
    }
    leading = false
    changed()
  }
  const queue = async (): Promise<void> => {
    await enter({ ifAvailable: true })
    while (!signal.aborted) await enter({ signal })
  }
  queue()

  return {
    get leading() {
      return leading
    },
    tell: (shared) => leading && channel.postMessage(shared),
    steal() {
      enter({ steal: true })
    },
    leave() {
      gone.abort()
      release?.()
      channel.close()
    },
  }
}
