// Asks a plain route once a millisecond, or as soon as the answer before is there, and keeps the longest wait.
import { setPriority } from 'node:os'
import { answer, now } from '../support/answer.js'
import { dial } from './client.js'
import { responseIn } from './framing.js'
import { get } from './requests.js'

// it shares a core with the clients, and must not wait for them
let preferred = true
try {
  setPriority(-20)
} catch {
  preferred = false
}

const request = get('/probe')
let probing = false
let ended
let longest = 0
let socket
let onAnswer = () => {}

async function probe() {
  while (probing) {
    const answered = new Promise((resolve) => {
      onAnswer = resolve
    })
    const sent = now()
    socket.write(request)
    await answered
    longest = Math.max(longest, now() - sent)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

answer({
  /** Connects. `true` where it may go before the clients. */
  async open({ port }) {
    let text = ''
    socket = await dial(port, (more) => {
      text += more
      if (responseIn(text) === 0) return
      text = ''
      onAnswer()
    })
    return preferred
  },
  start() {
    probing = true
    longest = 0
    ended = probe()
  },
  /** The longest wait since the start, in microseconds. */
  async stop() {
    probing = false
    await ended
    return longest
  },
})
