import { backoff, PACE } from './backoff.js'
import { FOREVER } from './clock.js'
import type { Connection, ConnectionEvents, ConnectionState } from './connection.js'
import { ConnectionError } from './errors.js'
import { inboxOf } from './inbox.js'
import type { Batch } from './message.js'
import { type ConnectOptions, settingsOf } from './options.js'
import { watch } from './page.js'
import { poll } from './poll.js'
import { join, type Share, type Shared } from './share.js'
import { SILENT, sse } from './sse.js'
import { INVALID_CURSOR } from './wire.js'

/**
 * Follows a channel: the messages come one after the other, each once, over whatever happens to the network, the server
 * and the page.
 *
 * They are handed over to the loop that iterates the connection, or else to its `message` listeners. Until there is
 * either, at most one answer is kept; and a loop that is slow is not overrun: nothing is asked for while it has something
 * to take. It begins once the code that called it has run, so listeners that are added at once miss nothing.
 *
 * Where something was missed, because the server does not keep it any more, there is a `gap` event, and the next message
 * says `gap: true`.
 *
 * @param url of the channel's subscriber; relative to the page
 * @throws {TypeError} a URL or an option of the wrong type, or an option that is not known: code `ERR_INVALID_OPTION`
 * @throws {RangeError} a number out of range: the same code
 * @example
 * ```ts
 * const connection = connect<{ text: string }>('/news', { storage: sessionStorage })
 * connection.addEventListener('gap', () => reload())
 * for await (const { data } of connection) show(data.text)
 * ```
 */
export function connect<T = unknown>(url: string | URL, options: ConnectOptions = {}): Connection<T> {
  // the facts of the connection, and at the end the loop that looks at them and does what follows
  const settings = settingsOf(url, options)
  const { clock, cursor, deadline, key, page, signal, storage, transport } = settings
  const over = new AbortController()
  const closed = (): boolean => over.signal.aborted

  /** Behind what came; the connection's cursor is behind what was handed over. */
  let place = storage?.getItem(key) ?? cursor
  let paused = false
  let asking = false
  let streaming = transport !== 'poll'
  /** Streams in a row that were silent; one is forgiven where another one was not. */
  let silent = 0
  let failures = 0
  /** No request before this time, whatever happens. */
  let earliest = 0
  /** No request before this time, unless there is a reason to try. */
  let retry = 0
  let share: Share<T> | undefined
  /** The others may know something that did not come here. */
  let behind = true
  /** What was stored is no cursor any more. */
  let lost = false
  /** A request or a wait; it is aborted when something has changed, and the facts are looked at anew. */
  let turn = new AbortController()

  const connection = new (class extends EventTarget {
    cursor = place
    state: ConnectionState = 'connecting'
    close = (): void => end();
    [Symbol.asyncIterator] = () => inbox.taken()
    override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
      super.addEventListener(...args)
      if (args[0] === 'message') inbox.listen()
    }
  })()

  const tell = (type: keyof ConnectionEvents, detail: unknown): void => {
    connection.dispatchEvent(new CustomEvent(type, { detail }))
  }
  const enter = (state: ConnectionState): void => {
    if (state === connection.state) return
    connection.state = state
    tell('state', state)
  }
  const move = (cursor: string): void => {
    connection.cursor = cursor
    try {
      storage?.setItem(key, cursor)
    } catch (cause) {
      tell('error', new ConnectionError('ERR_STORAGE', `The storage failed: ${cause}`, { cause }))
    }
  }
  const inbox = inboxOf<T>(tell, move, connection.close)

  const end = (reason?: ConnectionError): void => {
    if (closed()) return
    over.abort()
    leave()
    inbox.close(reason)
    enter('closed')
    tell('close', reason)
  }
  const pause = (): void => {
    paused = true
    leave()
  }
  const wake = (): void => {
    paused = false
    retry = 0
    behind = true
    enroll()
    turn.abort()
  }

  const changed = (): void => {
    // who has come to lead finishes the request that is under way; who does not lead any more, does not
    if (!asking || !share?.leading) turn.abort()
  }
  const hear = (shared: Shared<T>): void => {
    if (asking || inbox.full || shared.from !== place) behind ||= shared.cursor !== place
    else receive(shared)
    if (!asking) turn.abort()
  }
  const enroll = (): void => {
    if (!settings.share || share || paused || closed()) return
    behind = true
    share = join<T>(`koa-continuation ${settings.share} ${settings.url}`, page, changed, hear)
  }
  const leave = (): void => {
    share?.leave()
    share = undefined
    turn.abort()
  }

  /** @returns whether the time is up, and not that the facts have changed */
  const wait = (ms: number): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = ms < FOREVER && clock.setTimeout(() => resolve(true), ms)
      const stop = (): void => {
        clock.clearTimeout(timer)
        resolve(false)
      }
      turn.signal.addEventListener('abort', stop)
      if (turn.signal.aborted) stop()
    })

  /** Until all was handed over. Who takes long for that does not lead. */
  const room = async (): Promise<void> => {
    const timer = share && inbox.full && clock.setTimeout(leave, PACE)
    await inbox.emptied()
    clock.clearTimeout(timer)
    enroll()
  }

  const receive = (batch: Batch<T>): void => {
    if (closed()) return
    share?.tell({ ...batch, from: place })
    // a gap that leads nowhere may be told for ever
    if (batch.gap ? batch.cursor !== place : batch.messages.length || !place) earliest = 0
    failures = retry = 0
    place = batch.cursor
    enter('open')
    inbox.put(lost ? { ...batch, gap: true } : batch)
    lost = false
  }

  /** One request. Who does not lead asks only for what is there. */
  const ask = async (leading: boolean): Promise<void> => {
    const { signal } = turn
    let timer: unknown
    const alive = (ms: number, code = 'ERR_DEADLINE'): void => {
      clock.clearTimeout(timer)
      timer =
        ms < FOREVER &&
        clock.setTimeout(() => {
          failed(new ConnectionError(code, `Nothing came for ${ms} ms`))
          turn.abort()
        }, ms)
    }
    asking = true
    behind = false
    earliest = clock.now() + PACE
    alive(deadline)
    if (connection.state !== 'open') enter('connecting')
    try {
      const request = {
        ...settings,
        cursor: place,
        wait: leading && place ? settings.wait : 0,
        signal,
        aborted: wait(FOREVER),
        alive,
      }
      if (streaming && leading) {
        await sse<T>(request, receive, () => {
          silent = -1
          // so that the others know that it is there
          if (place) share?.tell({ from: place, cursor: place, messages: [] })
          return room()
        })
      } else receive(await poll<T>(request))
    } catch (cause) {
      behind = true
      // what was given up is no failure, or has been told
      if (!signal.aborted) {
        const code = cause instanceof SyntaxError ? 'ERR_ANSWER' : 'ERR_NETWORK'
        failed(
          cause instanceof ConnectionError
            ? cause
            : new ConnectionError(code, `The request failed: ${cause}`, { cause }),
        )
      }
    }
    alive(FOREVER)
    // what was not read to its end is not wanted
    turn.abort()
    asking = false
  }

  const failed = (error: ConnectionError): void => {
    if (error.code === INVALID_CURSOR && place !== cursor) {
      place = connection.cursor = cursor
      lost = true
      return
    }
    tell('error', error)
    if (error.final) end(error)
    const now = clock.now()
    if (error.code === SILENT && ++silent > 0 && transport === 'auto') streaming = false
    else retry = now + backoff(failures++, settings)
    earliest = Math.max(earliest, now + error.retryAfter)
    if (!closed()) enter('waiting')
  }

  const run = async (): Promise<void> => {
    if (signal?.aborted) end()
    enroll()
    while (!closed()) {
      turn = new AbortController()
      const left = Math.max(earliest, retry) - clock.now()
      const leading = !share || share.leading
      if (paused) {
        enter('paused')
        await wait(FOREVER)
      } else if (inbox.full) await room()
      else if (leading || (leading === false && behind)) await (left > 0 ? wait(left) : ask(leading))
      else if (await wait(deadline)) share?.steal()
    }
  }

  signal?.addEventListener('abort', connection.close, { signal: over.signal })
  watch(page, over.signal, pause, wake)
  // whoever has just connected may listen first
  queueMicrotask(run)
  return connection as Connection<T>
}
