import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const holdMs = 25_000

/** A page, and a channel as small as the wire allows, beside which requests are counted. */
export class TinyChannel {
  readonly #pages: Readonly<Record<string, readonly [type: string, body: string]>>
  #server: Server | undefined
  readonly #messages: unknown[] = []
  readonly #waiting = new Map<ServerResponse, () => void>()
  #port = 0
  /** Requests that followed the channel, by what they asked for. */
  readonly asked: string[] = []

  constructor(pages: Readonly<Record<string, readonly [type: string, body: string]>>) {
    this.#pages = pages
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** How many are held. */
  get waiting(): number {
    return this.#waiting.size
  }

  async open(): Promise<this> {
    this.#server = createServer((request, response) => this.#serve(request, response))
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  publish(data: unknown): void {
    this.#messages.push(data)
    for (const wake of [...this.#waiting.values()]) wake()
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#server) resolve()
      this.#server?.close(() => resolve())
      this.#server?.closeAllConnections()
      this.#server = undefined
    })
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    const page = this.#pages[pathname]
    if (page) {
      response.writeHead(200, { 'content-type': page[0] }).end(page[1])
      return
    }
    if (pathname !== '/news') {
      response.writeHead(404).end()
      return
    }
    const cursor = searchParams.get('cursor')
    const wait = searchParams.get('wait')
    const from = cursor === null ? this.#messages.length : Number(cursor)
    const streams = request.headers.accept === 'text/event-stream'
    this.asked.push(streams ? 'stream' : wait === '0' ? 'place' : 'poll')
    response.setHeader('cache-control', 'no-store')
    if (streams) this.#stream(response, from)
    else this.#poll(response, from, wait === null ? holdMs : Number(wait) * 1_000)
  }

  #poll(response: ServerResponse, from: number, ms: number): void {
    const answer = (): void => {
      this.#waiting.delete(response)
      clearTimeout(timer)
      const messages = this.#messages.slice(from).map((data, place) => ({ id: `${from + place + 1}`, data }))
      response.setHeader('etag', `"${this.#messages.length}"`)
      if (messages.length === 0) response.writeHead(204).end()
      else {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ cursor: `${this.#messages.length}`, messages }))
      }
    }
    let timer: NodeJS.Timeout | undefined
    if (ms === 0 || from < this.#messages.length) {
      answer()
      return
    }
    timer = setTimeout(answer, ms)
    this.#waiting.set(response, answer)
    response.once('close', () => {
      this.#waiting.delete(response)
      clearTimeout(timer)
    })
  }

  #stream(response: ServerResponse, from: number): void {
    let sent = from
    const send = (): void => {
      for (; sent < this.#messages.length; sent++) {
        response.write(`id: ${sent + 1}\ndata: ${JSON.stringify(this.#messages[sent])}\n\n`)
      }
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`id: ${from}\n\n`)
    send()
    this.#waiting.set(response, send)
    response.once('close', () => this.#waiting.delete(response))
  }
}
