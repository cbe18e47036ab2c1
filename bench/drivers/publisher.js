import { now } from '../support/answer.js'
import { dial } from './client.js'
import { responseIn } from './framing.js'
import { publish } from './requests.js'

/** Connections that publish, each one message at a time. What finds none free waits for one. */
export class Publisher {
  #free = []
  #sockets = []
  #waiting = []

  async open(port, connections = 1) {
    while (this.#sockets.length < connections) {
      const connection = { text: '', answered: undefined, socket: undefined }
      connection.socket = await dial(port, (text) => {
        connection.text += text
        if (responseIn(connection.text) === 0) return
        const { answered, text: response } = connection
        connection.text = ''
        this.#release(connection)
        answered?.(response)
      })
      this.#sockets.push(connection.socket)
      this.#free.push(connection)
    }
  }

  close() {
    for (const socket of this.#sockets.splice(0)) socket.resetAndDestroy()
    this.#free = []
    this.#waiting = []
  }

  /** How many messages wait for a connection. */
  get behind() {
    return this.#waiting.length
  }

  /** Gives up what was not sent yet. */
  drop() {
    this.#waiting = []
  }

  /** Publishes under a key. The message bears the stamp, by default the present moment. Resolves with the response. */
  publish(key, stamp = now(), onSent) {
    return new Promise((answered) => {
      this.#waiting.push({ text: publish(key, stamp), answered, onSent })
      this.#send()
    })
  }

  #release(connection) {
    this.#free.push(connection)
    this.#send()
  }

  #send() {
    while (this.#free.length > 0 && this.#waiting.length > 0) {
      const connection = this.#free.shift()
      const { text, answered, onSent } = this.#waiting.shift()
      connection.answered = answered
      connection.socket.write(text, 'latin1')
      onSent?.()
    }
  }
}

/** What a server says to a publish: how many it woke, where it says so. */
export function wokenIn(response) {
  const woken = /(?:\r\n\r\n|\r\n|"woken":)(\d+)(?:\r\n0\r\n\r\n|\}|\]|$)/.exec(
    response.slice(response.indexOf('\r\n\r\n')),
  )
  return woken === null ? undefined : Number(woken[1])
}
