import { backoff, PACE } from './backoff.js'
import { ConnectionError } from './errors.js'
import { Inbox } from './inbox.js'
import type { Batch, Message } from './message.js'
import { type ConnectOptions, type Settings, settingsOf } from './options.js'
import { watch } from './page.js'
import { poll } from './poll.js'
import type { Asking } from './request.js'
import { join, type Share, type Shared } from './share.js'
import { SILENT, sse } from './sse.js'
import { INVALID_CURSOR } from './wire.js'

/**
 * `'connecting'`: asking, and the server has not answered yet. `'open'`: it has; what is new comes. `'waiting'`: after a
 * failure, until the next try. `'paused'`: offline, or the page was left. `'closed'`: for good.
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'paused' | 'closed'

/** What the `detail` of each event is. */
export interface ConnectionEvents<T = unknown> {
  /** It is handed over; the cursor moves when the listeners have returned. */
  message: Message<T>
  /** Something was missed, for the server did not keep it for so long; it goes on from the cursor. */
  gap: { readonly cursor: string }
  state: ConnectionState
  /** A request came to nothing. Unless the error is `final`, there will be another. */
  error: ConnectionError
  /** The last event; with what ended it, unless that was the app. */
  close: ConnectionError | undefined
}

type Listener<T, Type extends keyof ConnectionEvents> =
  | ((event: CustomEvent<ConnectionEvents<T>[Type]>) => void)
  | { handleEvent(event: CustomEvent<ConnectionEvents<T>[Type]>): void }

/** @see connect */
export class Connection<T = unknown> extends EventTarget implements AsyncIterable<Message<T>> {
  readonly #settings: Settings
  readonly #inbox: Inbox<T>
  readonly #life = new AbortController()
  /** Behind what was handed over. */
  #cursor: string | undefined
  /** Behind what came. */
  #place: string | undefined
  #state: ConnectionState = 'connecting'
  #error: ConnectionError | undefined
  /** What it does now, a request or a wait; when something has changed, it is aborted, and the facts are looked at anew. */
  #turn = new AbortController()
  #asking = false
  #paused = false
  #streaming: boolean
  /** Streams in a row that were silent; one is forgiven if another one was not. */
  #silent = 0
  #failures = 0
  /** No request before this time: whatever happens, and unless there is a reason to try. */
  #earliest = 0
  #retry = 0
  #share: Share | undefined
  /** The others may know something that did not come here. */
  #behind = true
  /** What was stored is no cursor any more. */
  #lost = false

  constructor(url: string | URL, options: ConnectOptions) {
    super()
    const settings = settingsOf(url, options)
    this.#settings = settings
    const { storage, key, cursor, transport, signal, page } = settings
    this.#streaming = transport !== 'poll'
    this.#place = this.#cursor = storage?.getItem(key) ?? cursor
    this.#inbox = new Inbox(
      (type, detail) => this.#tell(type, detail),
      (cursor) => {
        this.#cursor = cursor
        try {
          storage?.setItem(key, cursor)
        } catch (cause) {
          this.#tell('error', new ConnectionError('ERR_STORAGE', `Cannot keep the cursor: ${cause}`, { cause }))
        }
      },
    )
    const close = (): void => this.close()
    signal?.addEventListener('abort', close, { signal: this.#life.signal })
    watch(page, { signal: this.#life.signal, pause: () => this.#pause(), wake: () => this.#wake() })
    // whoever has just connected may listen first
    queueMicrotask(() => (signal?.aborted ? close() : this.#run()))
  }

  /** Where to go on, behind what was handed over; `undefined` until the server has told. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Ends it at once: what has not been handed over stays behind the cursor. A second time it does nothing. */
  close(): void {
    this.#end(undefined)
  }

  override addEventListener<Type extends keyof ConnectionEvents>(
    type: Type,
    listener: Listener<T, Type> | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener, options)
    if (type === 'message') this.#inbox.listen()
  }

  override removeEventListener<Type extends keyof ConnectionEvents>(
    type: Type,
    listener: Listener<T, Type> | null,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListener, options)
  }

  /**
   * The messages, from now on one loop's. Asking for the next says that the one before was dealt with: the cursor moves.
   * Leaving the loop closes the connection.
   *
   * @throws {ConnectionError} from the loop, after the last message: the server has refused
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message<T>, void, undefined> {
    try {
      yield* this.#inbox
    } finally {
      this.close()
    }
    if (this.#error) throw this.#error
  }

  #tell(type: keyof ConnectionEvents, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }))
  }

  #enter(state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    this.#tell('state', state)
  }

  #end(error: ConnectionError | undefined): void {
    if (this.#life.signal.aborted) return
    this.#error = error
    this.#life.abort()
    this.#turn.abort()
    this.#share?.leave()
    this.#inbox.close(!error)
    this.#enter('closed')
    this.#tell('close', error)
  }

  #pause(): void {
    this.#paused = true
    this.#leave()
  }

  #wake(): void {
    this.#paused = false
    this.#retry = 0
    this.#behind = true
    this.#join()
    this.#turn.abort()
  }

  #join(): void {
    const { share, url, page } = this.#settings
    if (!share || this.#share || this.#paused || this.#life.signal.aborted) return
    this.#behind = true
    this.#share = join(`koa-continuation ${share} ${url}`, page, {
      // who has come to lead finishes the request that is under way; who does not any more, does not
      changed: () => this.#look(this.#share?.leading === false),
      hear: (shared) => this.#hear(shared as Shared & Batch<T>),
    })
  }

  #leave(): void {
    this.#share?.leave()
    this.#share = undefined
    this.#turn.abort()
  }

  /** Looks at the facts anew: at once, or when the request that is under way has come to its end. */
  #look(atOnce: boolean): void {
    if (atOnce || !this.#asking) this.#turn.abort()
  }

  /** What the leader was told. It is for those who stand where it stood; the others ask for themselves. */
  #hear(shared: Shared & Batch<T>): void {
    if (this.#share?.leading) return
    if (!this.#asking && !this.#inbox.full && shared.from === this.#place) this.#receive(shared)
    else if (shared.cursor !== this.#place) this.#behind = true
    this.#look(false)
  }

  async #run(): Promise<void> {
    const { clock, deadline } = this.#settings
    this.#join()
    while (!this.#life.signal.aborted) {
      this.#turn = new AbortController()
      const left = Math.max(this.#earliest, this.#retry) - clock.now()
      const leading = this.#share ? this.#share.leading : true
      if (this.#paused) {
        this.#enter('paused')
        await this.#wait(Number.POSITIVE_INFINITY)
      } else if (this.#inbox.full) await this.#room()
      else if (leading || (leading === false && this.#behind)) await (left > 0 ? this.#wait(left) : this.#ask(leading))
      else if (await this.#wait(deadline)) this.#share?.steal()
    }
  }

  /** @returns whether the time is up, and not that the facts have changed */
  #wait(ms: number): Promise<boolean> {
    const { clock } = this.#settings
    const { signal } = this.#turn
    return new Promise((resolve) => {
      const timer = ms < Number.POSITIVE_INFINITY && clock.setTimeout(() => resolve(true), ms, undefined)
      const stop = (): void => {
        clock.clearTimeout(timer)
        resolve(false)
      }
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
    })
  }

  /** Until all was handed over. Who takes long for that does not lead. */
  async #room(): Promise<void> {
    const { clock } = this.#settings
    const timer = this.#share && clock.setTimeout(() => this.#leave(), PACE, undefined)
    await this.#inbox.emptied()
    clock.clearTimeout(timer)
    this.#join()
  }

  #receive(batch: Batch<T>): void {
    const { cursor, messages, gap } = batch
    const from = this.#place
    if (this.#share?.leading) this.#share.tell({ from, cursor, messages, ...(gap && { gap }) })
    if (gap || messages.length || from === undefined) this.#earliest = 0
    this.#failures = this.#retry = 0
    this.#place = cursor
    this.#enter('open')
    this.#inbox.put(this.#lost ? { ...batch, gap: true } : batch)
    this.#lost = false
  }

  /** One request. Whoever does not lead asks only for what is there. */
  async #ask(leading: boolean): Promise<void> {
    const { clock, deadline, wait } = this.#settings
    const turn = this.#turn
    const { signal } = turn
    const cursor = this.#place
    let timer: unknown
    const alive: Asking['alive'] = (ms, code = 'ERR_DEADLINE') => {
      clock.clearTimeout(timer)
      if (ms === Number.POSITIVE_INFINITY) return
      const late = (): void => turn.abort(new ConnectionError(code, `Nothing came for ${ms} ms`))
      timer = clock.setTimeout(late, ms, undefined)
    }
    const asking = { settings: this.#settings, cursor, wait: leading && cursor ? wait : 0, signal, alive }
    this.#asking = true
    this.#behind = false
    this.#earliest = clock.now() + PACE
    alive(deadline)
    if (this.#state !== 'open') this.#enter('connecting')
    try {
      if (this.#streaming && leading) {
        await sse<T>(asking, {
          receive: (batch) => this.#receive(batch),
          room: () => {
            this.#silent = -1
            // so that the others know that it is there
            if (this.#place) this.#share?.tell({ from: this.#place, cursor: this.#place, messages: [] })
            return this.#room()
          },
        })
      } else this.#receive(await poll<T>(asking))
    } catch (cause) {
      this.#behind = true
      const error = signal.aborted ? signal.reason : cause
      if (error instanceof ConnectionError) this.#failed(error)
      else if (!signal.aborted) this.#failed(failure(error))
    } finally {
      alive(Number.POSITIVE_INFINITY)
      this.#asking = false
    }
  }

  #failed(error: ConnectionError): void {
    const { clock, cursor, random, retry, transport } = this.#settings
    if (error.code === INVALID_CURSOR && this.#cursor !== cursor) {
      this.#place = this.#cursor = cursor
      this.#lost = true
      return
    }
    this.#tell('error', error)
    if (error.final) return this.#end(error)
    const now = clock.now()
    if (error.code === SILENT && ++this.#silent > 0 && transport === 'auto') this.#streaming = false
    else this.#retry = now + backoff(++this.#failures, retry, random)
    this.#earliest = Math.max(this.#earliest, now + error.retryAfter)
    this.#enter('waiting')
  }
}

function failure(cause: unknown): ConnectionError {
  const code = cause instanceof SyntaxError ? 'ERR_ANSWER' : 'ERR_NETWORK'
  return new ConnectionError(code, `The request failed: ${cause}`, { cause })
}
