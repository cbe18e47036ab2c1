import type { Connection } from './connection.js'
import { follow } from './follow.js'
import type { ConnectOptions } from './options.js'

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
 * const connection = connect<{ text: string }>('/news', { storage: sessionStorage })
 * connection.addEventListener('gap', () => reload())
 * for await (const { data } of connection) show(data.text)
 */
export const connect: <T = unknown>(url: string | URL, options?: ConnectOptions) => Connection<T> = follow
