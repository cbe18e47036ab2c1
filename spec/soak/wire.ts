import { connect, type Socket } from 'node:net'

/** One that asks over one connection, one request after the other; a few lines, so that thousands cost little. */
export class Asker {
  readonly #port: number
  readonly #address: string
  #socket: Socket | undefined
  #received = ''
  #settle: ((status: number) => void) | undefined

  /** @param address the loopback address that it comes from */
  constructor(port: number, address: string) {
    this.#port = port
    this.#address = address
  }

  /** Whether the connection is there, so that asking needs none. */
  get isConnected(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && !this.#socket.connecting
  }

  /** The status of the answer; 0 where the connection was closed before. */
  ask(path: string, headers = ''): Promise<number> {
    return this.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
  }

  send(request: string): Promise<number> {
    const socket = this.#open()
    return new Promise((resolve) => {
      this.#settle = resolve
      socket.write(request)
    })
  }

  leave(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    if (this.#socket !== undefined && !this.#socket.destroyed) return this.#socket
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress: this.#address, noDelay: true })
    this.#socket = socket
    this.#received = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#socket === socket) this.#answer(0)
    })
    return socket
  }

  #take(chunk: string): void {
    this.#received += chunk
    const head = this.#received.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, head))?.[1] ?? 0)
    if (this.#received.length < head + 4 + length) return
    const status = Number(this.#received.slice(9, 12))
    this.#received = this.#received.slice(head + 4 + length)
    this.#answer(status)
  }

  #answer(status: number): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(status)
  }
}

/** The value below which this share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
