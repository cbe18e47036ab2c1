import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type Koa from 'koa'
import { selfSigned } from './certificate.js'

export interface Http2Answer {
  readonly status: number | undefined
  /** But for the date. */
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Http2Asking extends Promise<Http2Answer> {
  /** For a client that resets it; the promise then rejects. */
  readonly stream: ClientHttp2Stream
}

export interface Http2Served {
  readonly server: Http2SecureServer
  readonly port: number
  readonly cert: string
  /** The errors that the app reported. */
  readonly errors: Error[]
  connect(): Promise<ClientHttp2Session>
  close(): Promise<void>
}

let certificate: { key: string; cert: string } | undefined

/** The app on a loopback port over TLS, for HTTP/2, and HTTP/1.1 where the client knows no other. */
export async function serveHttp2(app: Koa): Promise<Http2Served> {
  certificate ??= selfSigned()
  const { cert } = certificate
  const errors: Error[] = []
  app.on('error', (error: Error) => errors.push(error))
  const server = createSecureServer({ ...certificate, allowHTTP1: true }, app.callback())
  const sessions = new Set<ServerHttp2Session | ClientHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    server,
    port,
    cert,
    errors,
    async connect() {
      const session = connect(`https://127.0.0.1:${port}`, { ca: cert, servername: 'localhost' })
      sessions.add(session)
      await once(session, 'connect')
      return session
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const session of sessions) session.destroy()
      }),
  }
}

/** From now on it takes nothing of any answer but the head: all else waits at the server to be sent. */
export function takeNothing(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.settings({ initialWindowSize: 0 }, (error) => (error === null ? resolve() : reject(error)))
  })
}

export function askHttp2(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Http2Asking {
  const stream = session.request(headers, { endStream: body === undefined })
  const answer = new Promise<Http2Answer>((resolve, reject) => {
    let head: (IncomingHttpHeaders & IncomingHttpStatusHeader) | undefined
    const chunks: Buffer[] = []
    stream.on('response', (received) => {
      head = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      if (head === undefined) reject(new Error('the stream was closed without an answer'))
      else {
        const { ':status': status, date: _, ...headers } = head
        resolve({ status, headers: { ...headers }, body: Buffer.concat(chunks).toString() })
      }
    })
  })
  answer.catch(() => {})
  if (body !== undefined) stream.end(body)
  return Object.assign(answer, { stream })
}
