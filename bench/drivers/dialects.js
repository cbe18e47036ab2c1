import { headerIn } from './framing.js'
import { browse, post } from './requests.js'

/**
 * How a client of each kind asks to be held.
 *
 * `first` is what it sends when it is connected. `next` is what it sends when a response has come; `asks` says whether that
 * is the request that waits for messages. A stream is never answered to its end.
 */
export const dialects = {
  /** The same request again. */
  poll: {
    first: ({ key }) => browse(`/hold/${key}`),
    asks: true,
    next: (client) => dialects.poll.first(client),
  },

  /** The same, and only for what it has not seen: by the cursor that came as an ETag. */
  cursor: {
    first: ({ key }) => browse(`/hold/${key}`),
    asks: true,
    next({ key }, response) {
      const cursor = headerIn(response.slice(0, response.indexOf('\r\n\r\n') + 2), 'etag')
      return browse(`/hold/${key}?cursor=${encodeURIComponent(cursor.slice(1, -1))}`)
    },
  },

  /** nchan's: its message id is the time and the tag together. */
  nchan: {
    first: ({ key }) => browse(`/hold/${key}`),
    asks: true,
    next({ key }, response) {
      const head = response.slice(0, response.indexOf('\r\n\r\n') + 2)
      const [tag, time] = [headerIn(head, 'etag'), headerIn(head, 'last-modified')]
      if (tag === undefined || time === undefined) return browse(`/hold/${key}`)
      return browse(`/hold/${key}`, { headers: [`If-None-Match: ${tag}`, `If-Modified-Since: ${time}`] })
    },
  },

  /** Server-sent events. */
  events: {
    stream: true,
    first: ({ key }) => browse(`/hold/${key}`, { accept: 'text/event-stream' }),
    asks: true,
  },

  /** Socket.IO by polling: opens a session, joins the namespace, then polls. */
  'socket.io': {
    first({ key }) {
      return browse(`/socket.io/?EIO=4&transport=polling&key=${key}`)
    },
    asks: false,
    next(client, response) {
      client.steps = (client.steps ?? 0) + 1
      if (client.steps === 1) {
        const [, sid] = /"sid":"([^"]+)"/.exec(response)
        client.path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`
        return post(client.path, '40', 'text/plain;charset=UTF-8')
      }
      // the second response ends the post, the third brings the namespace
      client.joined ||= client.steps === 3
      return browse(client.path)
    },
  },
}
