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

type Listener = (event: { persisted?: boolean }) => void
type Listen = (type: string, listener: Listener, options: { signal: AbortSignal }) => void

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
export function watch(page: BrowserPage, signal: AbortSignal, pause: () => void, wake: () => void): void {
  const { document } = page
  // a worker and Node have no page to leave; these methods want to be called on what they belong to
  const on = (target: { addEventListener?: Listen } | undefined, type: string, listener: Listener): void =>
    target?.addEventListener?.(type, listener, { signal })
  on(page, 'offline', pause)
  on(page, 'pagehide', pause)
  on(page, 'online', wake)
  on(page, 'pageshow', ({ persisted }) => persisted && wake())
  on(document, 'resume', wake)
  on(document, 'visibilitychange', () => document?.visibilityState === 'visible' && wake())
}
