import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  request,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Answer {
  readonly status: number
  /** The phrase beside the status. */
  readonly message: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asking extends Promise<Answer> {
  /** For a client that leaves: `asking.request.destroy()`; the promise then rejects. */
  readonly request: ClientRequest
}

export interface Served {
  readonly url: string
  readonly port: number
  readonly server: Server
  /** The errors that the app reported. */
  readonly errors: Error[]
  get(path: string, headers?: Record<string, string>): Asking
  post(path: string, body?: unknown, headers?: Record<string, string>): Asking
  ask(
    method: string,
    path: string,
    options?: { headers?: Record<string, string>; body?: string; agent?: Agent },
  ): Asking
  close(): Promise<void>
}

/** A Koa app, whatever its state and context are. */
interface App {
  callback(): RequestListener
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The app on a loopback port, and a client that keeps nothing between requests. */
export async function serve(app: App): Promise<Served> {
  const errors: Error[] = []
  app.on('error', (error: Error) => errors.push(error))
  const server = createServer(app.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const ask: Served['ask'] = (method, path, { headers = {}, body, agent } = {}) => {
    const sent = request(`${url}${path}`, { method, headers, agent: agent ?? new Agent({ keepAlive: false }) })
    const answer = new Promise<Answer>((resolve, reject) => {
      sent.on('error', reject)
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('error', reject)
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            message: response.statusMessage ?? '',
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
      })
    })
    answer.catch(() => {})
    sent.end(body)
    return Object.assign(answer, { request: sent })
  }

  return {
    url,
    port,
    server,
    errors,
    ask,
    get: (path, headers) => ask('GET', path, headers === undefined ? {} : { headers }),
    post: (path, body, headers) =>
      ask('POST', path, {
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body ?? {}),
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
