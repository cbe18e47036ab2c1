import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type * as Koa from 'koa'
import { phraseOf } from './head.js'
import { closeUnheard, isRequestUnheard } from './unheard.js'

type Request = Koa.Context['req']
type Response = Koa.Context['res']

/** A connection as Node's HTTP server has it. */
interface ServedSocket extends Socket {
  /** The response whose turn it is on this connection. Others wait while there is one. */
  _httpMessage?: Response | BareConnection | null
  /** `incoming` is the request whose head came last. */
  readonly parser?: { readonly incoming: Request | null } | null
  readonly server?: {
    readonly timeout?: number
    readonly keepAliveTimeout?: number
    readonly maxRequestsPerSocket?: number | null
  }
  [BARE]?: BareConnection
}

const BARE: unique symbol = Symbol('koa-continuation bare')

/** An answer that many get. */
export interface BareAnswer {
  readonly status: number
  /** Names and values by turns. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | undefined
  /** The bytes that went out last, for all who are to get the same. */
  sent: Sent | undefined
}

export interface Sent {
  readonly second: number
  readonly last: boolean
  readonly timeout: number
  readonly bytes: Buffer
}

/** Who waits on a connection. */
export interface Owner {
  /** The client has left. */
  left(): void
}

/**
 * A connection on which an answer is still to come, and whose request and response are gone. Those are nearly all of what a
 * held request is made of, and nearly all of what V8's collector of young objects has to copy.
 *
 * Node takes it for the response whose turn it is: so the connection is not idle, and nobody else writes to it.
 *
 * There is one of a connection, for all that is held on it one after the other: so what is held once more is made of nothing new.
 */
export class BareConnection {
  /** Node asks whether it is over, and others whether they can still say that the connection is to close; */
  readonly finished = false
  readonly headersSent = false
  /** Node says where the client has ended its side: the connection is to close with the answer. */
  _last = false
  readonly socket: Socket
  #isHead = false
  /** Set before the request was let go of: names and values by turns. */
  #headers: readonly string[] = none
  owner: Owner | undefined
  /** Milliseconds for which Node keeps the connection once it has its answer; 0: what is in force stays. */
  #idle = 0

  /**
   * Lets go of a request and of its response: whoever listens to these hears that they are over.
   *
   * @param unheard nobody listens, as `isUnheard()` says
   * @returns `undefined` where Node has to write the response: in another version of HTTP, before all of the request is here, or has
   *   been read, where others wait on the same connection, where the response is not Node's own, says itself how it ends, or hears of
   *   its time limit
   */
  static of(res: Response, owner: Owner, unheard: boolean): BareConnection | undefined {
    const { socket }: { socket: ServedSocket | null } = res.req
    if (socket === null || !isPlain(res, socket)) return undefined
    const bare = socket[BARE] ?? new BareConnection(socket)
    const limit = socket.timeout ?? 0
    bare.#take(res, owner)
    if (unheard || isRequestUnheard(res.req)) closeUnheard(res.req)
    // whoever listens is to see that it is over, and not that its client has left
    if (!unheard) Object.defineProperty(res, 'writableFinished', { configurable: true, value: true })
    res.finished = true
    try {
      res.emit('finish')
    } catch (error) {
      // of somebody else who listens: as where Node tells of it
      process.nextTick(() => {
        throw error
      })
    }
    // a Node that keeps to itself what it does there: it writes the response, too
    if (socket._httpMessage) {
      res.finished = false
      delete (res as { writableFinished?: boolean }).writableFinished
      return undefined
    }
    socket._httpMessage = bare
    // what Node has set is for when the answer is out: until then that of the request is in force, whoever has set it
    const idle = socket.timeout ?? 0
    bare.#idle = idle === limit ? 0 : idle
    if (bare.#idle > 0) socket.setTimeout(limit)
    return bare
  }

  /** Who waited on the connection of a response last, or waits there. */
  static ownerOn(res: Response): Owner | undefined {
    const { httpVersion, socket }: { httpVersion: string; socket: ServedSocket | null } = res.req
    // what stands for the socket of a stream of HTTP/2 may throw
    return httpVersion === '1.1' ? socket?.[BARE]?.owner : undefined
  }

  private constructor(socket: ServedSocket) {
    this.socket = socket
    socket[BARE] = this
    socket.on('close', closed)
  }

  #take(res: Response, owner: Owner): void {
    this._last = !res.shouldKeepAlive
    this.#isHead = res.req.method === 'HEAD'
    this.#headers = headersOf(res)
    this.owner = owner
  }

  /** Node tells of the socket's timeout: nobody listens, so it closes the connection. */
  emit(): boolean {
    return false
  }

  /** Whoever is to end a server finds the responses by their sockets, and sets this header. */
  setHeader(name: string, value: unknown): void {
    if (/^connection$/i.test(name) && /\bclose\b/i.test(String(value))) this.closeAfter()
  }

  left(): void {
    this.owner?.left()
  }

  closeAfter(): void {
    this._last = true
  }

  /**
   * Sends the answer, and gives the connection back. It closes where the client has sent another request meanwhile: that one stands
   * behind a response of which Node knows nothing any more, so it is to be asked again.
   */
  send(answer: BareAnswer): void {
    const { socket }: { socket: ServedSocket } = this
    socket._httpMessage = null
    if (!socket.writable) return
    const last = this._last || socket.parser?.incoming != null
    socket.write(this.#bytesOf(answer, last))
    if (last) endSoon(socket)
    else if (socket.writableLength === 0) this.#rest()
    // as Node does to hear that all before it has gone out
    else if (this.#idle > 0) socket.write('', () => this.#rest())
  }

  /** The time without a request begins; not where another has come while the answer went out. */
  #rest(): void {
    const { socket }: { socket: ServedSocket } = this
    if (this.#idle > 0 && !socket._httpMessage) socket.setTimeout(this.#idle)
  }

  #bytesOf(answer: BareAnswer, last: boolean): Buffer {
    const { server }: ServedSocket = this.socket
    const timeout = Math.floor((server?.keepAliveTimeout ?? 0) / 1_000)
    const second = Math.floor(Date.now() / 1_000)
    const isOwn = this.#isHead || this.#headers.length > 0
    const { sent } = answer
    if (!isOwn && sent?.second === second && sent.last === last && sent.timeout === timeout) return sent.bytes

    const { status, headers, body } = answer
    const date = names(headers).includes('date') ? [] : ['Date', new Date(second * 1_000).toUTCString()]
    const kept =
      timeout > 0 ? ['Connection', 'keep-alive', 'Keep-Alive', `timeout=${timeout}`] : ['Connection', 'keep-alive']
    // a type that was set before is not that of an answer without a body
    const replaced = body === undefined ? ['content-type', ...names(headers)] : names(headers)
    const lines = [...without(this.#headers, replaced), ...headers, ...date, ...(last ? ['Connection', 'close'] : kept)]
    let head = `HTTP/1.1 ${status} ${phraseOf(status)}\r\n`
    for (let place = 0; place < lines.length; place += 2) head += `${lines[place]}: ${lines[place + 1]}\r\n`
    const bytes = Buffer.from(`${head}\r\n`, 'latin1')
    const whole =
      body === undefined || this.#isHead
        ? bytes
        : Buffer.concat([bytes, typeof body === 'string' ? Buffer.from(body) : body])
    if (!isOwn) answer.sent = { second, last, timeout, bytes: whole }
    return whole
  }
}

const none: readonly string[] = []

/** The names of headers, in small letters. */
function names(headers: readonly string[]): string[] {
  return headers.filter((_, place) => place % 2 === 0).map((name) => name.toLowerCase())
}

/** Names and values by turns, but for those of these names. */
function without(headers: readonly string[], left: readonly string[]): string[] {
  return headers.filter((_, place) => !left.includes((headers[place - (place % 2)] as string).toLowerCase()))
}

/** What was set so far: names and values by turns, a name as often as it has values. */
function headersOf(res: Response & { getRawHeaderNames?(): string[] }): readonly string[] {
  // as they were written; types leave it out
  const names = res.getRawHeaderNames?.() ?? res.getHeaderNames()
  if (names.length === 0) return none
  return names.flatMap((name) => [res.getHeader(name) ?? []].flat().flatMap((value) => [name, String(value)]))
}

const { write, end, writeHead } = ServerResponse.prototype

/** What says how a response ends, and what becomes of its connection. */
const ofNode = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** A response of which nothing was sent, nothing is special, and behind which nothing waits. */
function isPlain(res: Response, socket: ServedSocket): boolean {
  const { req } = res
  const { server, parser } = socket
  return (
    req.httpVersion === '1.1' &&
    req.complete &&
    req.readableLength === 0 &&
    socket.writable &&
    socket._httpMessage === res &&
    parser?.incoming === req &&
    server?.keepAliveTimeout !== undefined &&
    !server.maxRequestsPerSocket &&
    res.sendDate &&
    !res.headersSent &&
    // of no status, where nobody has set one, or of one: the answer has its own
    (res.statusMessage === undefined || res.statusMessage === phraseOf(res.statusCode)) &&
    res.write === write &&
    res.end === end &&
    res.writeHead === writeHead &&
    // else whoever listens decides what becomes of a connection that is silent for too long
    res.listenerCount('timeout') === 0 &&
    !res.getHeaderNames().some((name) => ofNode.has(name))
  )
}

/** As Node does it: a server may be given any stream for a connection. */
function endSoon(socket: { destroySoon?(): void; end(): void }): void {
  if (socket.destroySoon !== undefined) socket.destroySoon()
  else socket.end()
}

function closed(this: ServedSocket): void {
  if (this._httpMessage instanceof BareConnection) this._httpMessage.left()
}
