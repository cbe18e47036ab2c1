import { type Connection, type ConnectionState, connect } from 'koa-continuation/client'
import { changed, type Event, empty, type Line, type Room, type State } from './room.js'

/** What a page and a terminal show of the room; each is told of what has changed. */
export interface View {
  /** All of it: at the beginning, and where something was missed. */
  show(room: Room, isMissing: boolean): void
  add(line: Line, room: Room): void
  /** How the connection stands. */
  stands(state: ConnectionState): void
}

export interface VisitorOptions {
  /** Where the room is; nothing for where the page comes from. */
  url?: string
  name: string
  /** By which the room knows who speaks, and which nobody else has. */
  key: string
  view: View
  fetch?: typeof globalThis.fetch
}

/** What the server says no to, with its code. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Milliseconds after which it asks again, where no server answers. */
const AGAIN = 1_000

/** Somebody in the room, with a page or a terminal: comes in, follows it, speaks, and comes in again where it must. */
export class Visitor {
  readonly #options: VisitorOptions
  #room: Room = empty
  #connection: Connection<Event['data']> | undefined
  #hasLeft = false
  id = ''

  constructor(options: VisitorOptions) {
    this.#options = options
  }

  /**
   * Comes in, and follows until it leaves. Resolves then.
   *
   * @param entered called when it is in for the first time
   * @throws {RefusedError} the room does not want it, for the name is taken say
   */
  async stay(entered: () => void = () => {}): Promise<void> {
    for (let isMissing = false; !this.#hasLeft; isMissing = true) {
      const { id, cursor, ...room } = await this.#join()
      this.id = id
      this.#room = room
      this.#options.view.show(room, isMissing)
      if (!isMissing) entered()
      await this.#follow(cursor)
    }
  }

  async say(text: string): Promise<void> {
    try {
      await this.#ask('POST', '/messages', { text })
    } catch (error) {
      if ((error as RefusedError).code !== 'ERR_NOT_HERE') throw error
      await this.#join()
      await this.#ask('POST', '/messages', { text })
    }
  }

  async leave(): Promise<void> {
    this.#hasLeft = true
    this.#connection?.close()
    if (this.id !== '') await this.#ask('DELETE', '/people')
  }

  /** Follows the room until it must take it anew. */
  async #follow(cursor: string): Promise<void> {
    const { url = '', key, view, fetch } = this.#options
    const connection = connect<Event['data']>(`${url}/room`, {
      cursor,
      headers: { 'x-key': key },
      // who talks wants to know soon that nobody hears it
      deadline: 12_000,
      retry: { max: 5_000 },
      ...(fetch && { fetch }),
    })
    this.#connection = connection
    connection.addEventListener('state', ({ detail }) => view.stands(detail))
    connection.addEventListener('gap', () => connection.close())
    for await (const { event, data } of connection) {
      const { lines } = this.#room
      this.#room = changed(this.#room, { event, data } as Event)
      const line = this.#room.lines.at(-1)
      if (line !== undefined && this.#room.lines !== lines) view.add(line, this.#room)
      // it was silent for too long, and is here again
      if (event === 'leave' && data.id === this.id && !this.#hasLeft) await this.#join()
    }
  }

  async #join(): Promise<State & { id: string }> {
    for (;;) {
      try {
        return await this.#ask('POST', '/people', { name: this.#options.name })
      } catch (error) {
        // what is refused once is refused again; but no answer may be one soon
        if (error instanceof RefusedError && error.status < 500) throw error
        this.#options.view.stands('waiting')
        await new Promise((resolve) => setTimeout(resolve, AGAIN))
      }
    }
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const { url = '', key, fetch = globalThis.fetch } = this.#options
    const response = await fetch(url + path, {
      method,
      headers: { 'x-key': key, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
    const { error } = JSON.parse(text) as { error: { code: string; message: string } }
    throw new RefusedError(response.status, error.code, error.message)
  }
}
