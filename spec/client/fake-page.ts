import type { Page } from '../../src/client/index.js'
import { turn } from '../support/gate.js'

/** A page without a browser: its events are fired by the test. */
export class FakePage extends EventTarget implements Page {
  readonly document = Object.assign(new EventTarget(), { visibilityState: 'visible', baseURI: 'http://127.0.0.1/' })

  fire(type: string, fields: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields))
  }

  show(state: 'visible' | 'hidden'): void {
    this.document.visibilityState = state
    this.document.dispatchEvent(new Event('visibilitychange'))
  }
}

interface Request {
  readonly name: string
  readonly callback: (lock: unknown) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

const aborted = (): DOMException => new DOMException('aborted', 'AbortError')

/** One browser with its tabs: locks and broadcasts as the web has them, as far as they are used. */
export class FakeBrowser {
  readonly #queue: Request[] = []
  readonly #held = new Map<string, Request>()
  readonly #channels = new Set<{ name: string; onmessage: ((event: { data: unknown }) => void) | null }>()
  /** How many broadcasts were sent. */
  broadcasts = 0

  readonly locks = {
    request: (
      name: string,
      { ifAvailable, steal, signal }: { ifAvailable?: boolean; steal?: boolean; signal?: AbortSignal },
      callback: (lock: unknown) => unknown,
    ): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const request = { name, callback, resolve, reject }
        if (ifAvailable && this.#held.has(name)) {
          turn().then(() => resolve(callback(null)))
          return
        }
        if (signal?.aborted) {
          reject(aborted())
          return
        }
        if (steal) {
          this.#held.get(name)?.reject(aborted())
          this.#held.delete(name)
          this.#queue.unshift(request)
        } else this.#queue.push(request)
        signal?.addEventListener('abort', () => {
          const place = this.#queue.indexOf(request)
          if (place < 0) return
          this.#queue.splice(place, 1)
          reject(aborted())
        })
        this.#grant()
      }),
  }

  #grant(): void {
    const place = this.#queue.findIndex(({ name }) => !this.#held.has(name))
    if (place < 0) return
    const [request] = this.#queue.splice(place, 1) as [Request]
    this.#held.set(request.name, request)
    turn()
      .then(() => request.callback({}))
      .then(request.resolve, request.reject)
      .finally(() => {
        if (this.#held.get(request.name) !== request) return
        this.#held.delete(request.name)
        this.#grant()
      })
  }

  /** Nobody waits for a lock, or has it. */
  get idle(): boolean {
    return this.#held.size === 0 && this.#queue.length === 0 && this.#channels.size === 0
  }

  /** A page of it. */
  page(): FakePage {
    const browser = this
    const page = Object.assign(new FakePage(), { navigator: { locks: this.locks } })
    return Object.assign(page, {
      BroadcastChannel: class {
        onmessage: ((event: { data: unknown }) => void) | null = null
        readonly name: string
        constructor(name: string) {
          this.name = name
          browser.#channels.add(this)
        }
        postMessage(data: unknown): void {
          browser.broadcasts++
          const text = structuredClone(data)
          for (const channel of browser.#channels) {
            if (channel === this || channel.name !== this.name) continue
            setImmediate(() => browser.#channels.has(channel) && channel.onmessage?.({ data: text }))
          }
        }
        close(): void {
          browser.#channels.delete(this)
        }
      },
    })
  }
}
