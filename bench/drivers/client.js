import { connect } from 'node:net'
import { dialects } from './dialects.js'
import { responseIn } from './framing.js'
import { markIn, stampAt } from './requests.js'

/** One for all: what is read is done with before the next is read. */
const buffer = Buffer.allocUnsafe(65_536)

/** As many as one address has ports for, with some to spare. */
const perAddress = 10_000

/**
 * A socket that calls `onText(text)` for whatever comes. Resolves when it is connected.
 *
 * @param place of this one among all; each so many come from a loopback address of their own
 * @param first the number of the first
 */
export function dial(port, onText, place = 0, first = 0) {
  const address = first + Math.floor(place / perAddress)
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      // only where one address does not do: not every system has the others
      ...(address > 0 && { localAddress: `127.0.0.${1 + address}` }),
      onread: {
        buffer,
        callback(length) {
          onText(buffer.latin1Slice(0, length))
          return true
        },
      },
    })
    socket.once('connect', () => {
      socket.off('error', reject)
      // a server that ends a connection is found out by what does not come
      socket.on('error', () => {})
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** A client that is held: by which key, and in which way it asks. */
export class Client {
  /** What it will send next, where it does not send at once. */
  next
  /** It has sent the request that waits for messages. */
  asked = false
  /** The stamp of the last message it got. */
  last = 0
  /** What a dialect keeps of it. */
  steps
  path
  joined
  #address
  #dialect
  #socket
  #text = ''
  #crowd

  constructor({ dialect, key, place, address }, crowd) {
    this.#dialect = dialects[dialect]
    this.key = key
    this.place = place
    this.#address = address
    this.#crowd = crowd
    this.next = this.#dialect.first(this)
  }

  async open(port) {
    this.#socket = await dial(port, (text) => this.#receive(text), this.place, this.#address)
  }

  /** Sends what it has to send. */
  ask() {
    const { next } = this
    if (next === undefined) return
    this.next = undefined
    this.#socket.write(next, 'latin1')
    if (this.#dialect.asks || this.joined) {
      this.asked = true
      this.#crowd.onAsked()
    }
  }

  close() {
    this.#socket.resetAndDestroy()
  }

  #receive(text) {
    this.#crowd.heard++
    this.#text = this.#text === '' ? text : this.#text + text
    if (this.#dialect.stream) {
      this.#text = this.#text.slice(this.#take(this.#text))
      return
    }
    for (let size = responseIn(this.#text); size > 0; size = responseIn(this.#text)) {
      const response = size === this.#text.length ? this.#text : this.#text.slice(0, size)
      this.#text = this.#text.slice(size)
      this.#answered(response)
      if (this.#text === '') break
    }
  }

  #answered(response) {
    const joining = !this.asked
    this.asked = false
    if (!joining) this.#crowd.onAnswered()
    this.next = this.#dialect.next(this, response)
    this.#take(response)
    // a dialect that has to say more before it waits says it without delay
    if (joining || this.#crowd.atOnce) this.ask()
  }

  /** Hands over every message in `text`. How much of it is done with. */
  #take(text) {
    let done = text.length
    for (let from = 0; ; ) {
      const place = markIn(text, from)
      if (place < 0) {
        const begun = text.indexOf('~', from)
        if (begun >= 0) done = begun
        return done
      }
      const stamp = stampAt(text, place)
      this.#crowd.onMessage(this, stamp)
      this.last = stamp
      from = place + 18
    }
  }
}
