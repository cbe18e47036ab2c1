// Thousands of clients in one process, each a socket and a few lines, so that they cost little beside the server.
import { once } from 'node:events'
import { connect } from 'node:net'
import { answer, now } from '../support/answer.js'

const ask = (method, path) =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${method === 'POST' ? 'Content-Length: 0\r\n' : ''}\r\n`
const hold = ask('GET', '/hold')

/** @type {import('node:net').Socket[]} */
const clients = []
let publisher
/** When each answer came, in microseconds. */
let arrivals = []
/** Answers that were no news, or came to somebody who had one already. */
let wrong = 0
let allHere = () => {}

function onData(chunk) {
  if (this.answered || !chunk.startsWith('HTTP/1.1 200') || !chunk.endsWith('\r\nnews')) wrong++
  else {
    this.answered = true
    if (arrivals.push(now()) === clients.length) allHere()
  }
}

async function open(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.setEncoding('latin1')
  await once(socket, 'connect')
  return socket
}

answer({
  /** Connects as many clients. */
  async open({ port, count }) {
    publisher = await open(port)
    while (clients.length < count) {
      const some = Math.min(100, count - clients.length)
      for (const client of await Promise.all(Array.from({ length: some }, () => open(port)))) {
        client.on('data', onData)
        clients.push(client)
      }
    }
  },

  /** Each client asks, and is then held. */
  async hold() {
    arrivals = []
    wrong = 0
    for (let place = 0; place < clients.length; place++) {
      clients[place].answered = false
      clients[place].write(hold)
      // in portions, as they would come
      if (place % 100 === 99) await new Promise(setImmediate)
    }
  },

  /** One publishes: when it was sent, what the server said, and when each answer came, in microseconds. */
  async publish({ patience }) {
    const all = new Promise((resolve) => {
      allHere = resolve
      setTimeout(resolve, patience).unref()
    })
    const sent = now()
    publisher.write(ask('POST', '/publish'))
    const [receipt] = await once(publisher, 'data')
    await all
    return {
      woken: Number(receipt.split('\r\n\r\n')[1]),
      received: arrivals.length,
      wrong,
      after: arrivals.map((arrival) => arrival - sent),
    }
  },
})
