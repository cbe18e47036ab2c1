import type { LockManager } from './share.js'

/** What a page, a worker or Node has of a browser; each part may be missing. */
export interface Page {
  readonly addEventListener?: unknown
  readonly document?: unknown
  readonly navigator?: unknown
  readonly location?: unknown
  readonly BroadcastChannel?: unknown
}

/** The same, as it is used. */
export interface BrowserPage {
  addEventListener?: Listen
  document?: { addEventListener: Listen; readonly visibilityState: string; readonly baseURI: string }
  navigator?: { locks?: LockManager }
  location?: { readonly href: string }
  BroadcastChannel?: new (name: string) => BroadcastLike
}

type Listen = (
  type: string,
  listener: (event: { persisted?: boolean }) => void,
  options: { signal: AbortSignal },
) => void

export interface BroadcastLike {
  onmessage: ((event: { data: unknown }) => void) | null
  postMessage(data: unknown): void
  close(): void
}

/**
 * Says when the page cannot be connected, and when it is worth asking at once, until `signal` is aborted.
 *
 * Going offline is sure. That it is online again, shown, thawed or back from the cache is a good reason to try.
 */
export function watch(
  page: BrowserPage,
  { signal, pause, wake }: { signal: AbortSignal; pause(): void; wake(): void },
): void {
  const options = { signal }
  const { document } = page
  // a worker and Node have no page to leave; an EventTarget's methods want to be called on it
  const on: Listen = (...args) => page.addEventListener?.(...args)
  on('offline', pause, options)
  on('pagehide', pause, options)
  on('online', wake, options)
  on('pageshow', ({ persisted }) => persisted && wake(), options)
  document?.addEventListener('resume', wake, options)
  document?.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && wake(), options)
}
