import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from '../support/gate.js'

/** One request, which the test answers, or does not. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  /** The client has gone, or the answer is out. */
  closed = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    this.query = new URL(request.url ?? '', 'http://localhost').searchParams
    response.once('close', () => {
      this.closed = true
    })
  }

  get cursor(): string | null {
    return this.query.get('cursor')
  }

  get wait(): string | null {
    return this.query.get('wait')
  }

  get streams(): boolean {
    return this.request.headers.accept === 'text/event-stream'
  }

  /** Messages with the numbers, of which the last is the cursor. */
  messages(...numbers: number[]): void {
    this.json({ cursor: `c-${numbers.at(-1)}`, messages: numbers.map((n) => ({ id: `c-${n}`, data: n })) })
  }

  json(body: unknown, status = 200, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }

  /** Nothing new, and where the client stands. */
  empty(cursor: string): void {
    this.response.writeHead(204, { etag: `"${cursor}"` }).end()
  }

  refuse(status: number, code: string, headers: Record<string, string> = {}): void {
    this.json({ error: { code, message: `refused: ${code}` } }, status, headers)
  }

  /** Begins a stream, of which the rest is written as the test likes. */
  stream(text = ''): this {
    this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    this.response.flushHeaders()
    return this.write(text)
  }

  write(text: string | Buffer): this {
    if (text.length > 0) this.response.write(text)
    return this
  }

  /** As a server does it that dies, or a network. */
  cut(): void {
    this.request.socket.destroy()
  }
}

/** A server whose every request is handed to the test, in the order in which they came. */
export class ScriptedServer {
  readonly #server: Server
  /** Those that the test has not yet taken. */
  readonly pending: Exchange[] = []
  /** How many came. */
  count = 0

  constructor() {
    this.#server = createServer((request, response) => {
      this.count++
      this.pending.push(new Exchange(request, response))
    })
  }

  async open(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/news`
  }

  /** The next request, when it has come. */
  async next(): Promise<Exchange> {
    await until(() => this.pending.length > 0)
    return this.pending.shift() as Exchange
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}
