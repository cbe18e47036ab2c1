// Asks a plain route once a millisecond, or as soon as the answer before is there, and keeps the longest wait.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setPriority } from 'node:os'
import { answer, now } from '../support/answer.js'

// it shares a core with the clients, and must not wait for them
let preferred = true
try {
  setPriority(-20)
} catch {
  preferred = false
}

const request = 'GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n'
let probing = false
let ended
let waits = []

async function probe(socket) {
  while (probing) {
    const sent = now()
    socket.write(request)
    await once(socket, 'data')
    waits.push(now() - sent)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

let socket
answer({
  /** Connects. `true` where it may go before the clients. */
  async open({ port }) {
    socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return preferred
  },
  start() {
    probing = true
    waits = []
    ended = probe(socket)
  },
  /** Every wait since the start, in microseconds. */
  async stop() {
    probing = false
    await ended
    return waits
  },
})
