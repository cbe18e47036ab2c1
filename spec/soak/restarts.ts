import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Channel, MemoryLog } from '../../src/index.js'
import { LogOwner } from '../../src/log/port/index.js'
import { program } from '../support/program.js'

export interface Restarted {
  /** Of the server that was ended: its exit code, and milliseconds from the signal to its end. */
  readonly code: number | null
  readonly took: number
  /** Requests that got no answer, or not all of it. */
  readonly errors: number
  /** Requests that were answered 503 on the way. */
  readonly refused: number
  readonly messages: number
  /** Over all clients. */
  readonly missed: number
  readonly doubled: number
}

/**
 * Two servers of one channel. All clients are at the first when it gets a SIGTERM, messages go on all the while, and
 * whoever is told that its connection closes goes on at the second.
 */
export async function restart({ polls, streams }: { polls: number; streams: number }): Promise<Restarted> {
  const log = new MemoryLog()
  const owner = new LogOwner(log)
  const channel = new Channel('news', { log })
  const file = fileURLToPath(await program(new URL('restart-server.ts', import.meta.url)))
  const start = async (): Promise<{ child: ChildProcess; url: string }> => {
    const child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const port = told(child, 'port')
    owner.serve(child)
    return { child, url: `http://127.0.0.1:${await port}` }
  }
  const [first, second] = await Promise.all([start(), start()])

  const tally = { errors: 0, refused: 0, doubled: 0 }
  const clients = Array.from({ length: polls + streams }, (_, n) => new Client(n < streams, first, second, tally))
  const following = clients.map((client) => client.follow())
  const allHeld = async (): Promise<void> => {
    const held = told(first.child, 'held')
    first.child.send({ tellWhenHeld: clients.length })
    await held
  }
  await allHeld()

  let messages = 0
  const publish = async (): Promise<void> => {
    await channel.publish(++messages)
    const all = messages
    // the next one when all have this one, so that the servers are busy but not behind
    while (clients.some(({ last }) => last < all)) await new Promise(setImmediate)
  }
  await publish()
  await allHeld()

  const begun = performance.now()
  let ended: { code: number | null; took: number } | undefined
  first.child.once('exit', (code) => {
    ended = { code, took: performance.now() - begun }
  })
  first.child.kill('SIGTERM')
  // half of them are sent home by the drain, the rest by messages
  while (clients.filter(({ moved }) => moved).length < clients.length / 2) await new Promise(setImmediate)
  while (ended === undefined) await publish()
  await publish()

  for (const client of clients) client.leave()
  await Promise.all(following)
  const gone = once(second.child, 'exit')
  second.child.kill('SIGTERM')
  await gone
  owner.close()
  await channel.close()
  const missed = clients.reduce((sum, { got }) => sum + messages - got, 0)
  return { ...ended, ...tally, messages, missed }
}

function told(child: ChildProcess, name: string): Promise<number> {
  return new Promise((resolve) => {
    child.on('message', function listen(message: Record<string, number>) {
      const value = message[name]
      if (value === undefined) return
      child.off('message', listen)
      resolve(value)
    })
  })
}

interface Tally {
  errors: number
  refused: number
  doubled: number
}

interface Place {
  readonly url: string
}

class Client {
  last = 0
  got = 0
  #cursor = '0'
  #place: Place
  #here = true
  #left: (() => void) | undefined
  readonly #streams: boolean
  readonly #elsewhere: Place
  readonly #tally: Tally
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(streams: boolean, first: Place, elsewhere: Place, tally: Tally) {
    this.#streams = streams
    this.#place = first
    this.#elsewhere = elsewhere
    this.#tally = tally
  }

  get moved(): boolean {
    return this.#place === this.#elsewhere
  }

  leave(): void {
    this.#here = false
    this.#left?.()
    this.#agent.destroy()
  }

  async follow(): Promise<void> {
    while (this.#here) {
      try {
        const response = await this.#ask()
        if (response.headers.connection === 'close') this.#place = this.#elsewhere
        if (response.statusCode === 503) this.#tally.refused++
        await (this.#streams && response.statusCode === 200 ? this.#takeEvents(response) : this.#takeAnswer(response))
      } catch {
        if (this.#here) this.#tally.errors++
      }
    }
  }

  #ask(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const accept = this.#streams ? 'text/event-stream' : 'application/json'
      const url = `${this.#place.url}/?cursor=${encodeURIComponent(this.#cursor)}`
      const sent = request(url, { headers: { accept }, agent: this.#agent }, resolve)
      this.#left = () => sent.destroy()
      sent.on('error', reject).end()
    })
  }

  async #takeAnswer(response: IncomingMessage): Promise<void> {
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    if (response.statusCode !== 200) return
    const { messages, cursor } = JSON.parse(text) as { messages: { data: number }[]; cursor: string }
    for (const { data } of messages) this.#take(data)
    this.#cursor = cursor
  }

  async #takeEvents(response: IncomingMessage): Promise<void> {
    let rest = ''
    for await (const chunk of response.setEncoding('utf8')) {
      const events = (rest + chunk).split('\n\n')
      rest = events.pop() as string
      for (const event of events) {
        const { id, data, retry } = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s, 2)))
        if (data !== undefined) this.#take(JSON.parse(data))
        if (id !== undefined) this.#cursor = id
        if (retry !== undefined) this.#place = this.#elsewhere
      }
    }
  }

  #take(message: number): void {
    if (message <= this.last) this.#tally.doubled++
    else this.got++
    this.last = Math.max(this.last, message)
  }
}
