// Compiled, never run: what an editor and a compiler must say of the client's public types.
import {
  type Connection,
  type ConnectionError,
  type ConnectionState,
  type ConnectOptions,
  connect,
  type Message,
} from 'koa-continuation/client'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

interface Chat {
  readonly text: string
}

export async function typed(): Promise<void> {
  const connection = connect<Chat>('/news', { wait: 20, share: 'alice', headers: async () => ({ authorization: 'x' }) })
  same<typeof connection, Connection<Chat>>(true)
  same<string | undefined, typeof connection.cursor>(true)
  same<ConnectionState, typeof connection.state>(true)
  for await (const message of connection) {
    same<Message<Chat>, typeof message>(true)
    same<Chat, typeof message.data>(true)
    same<true | undefined, typeof message.gap>(true)
  }
  connection.addEventListener('message', ({ detail }) => same<Message<Chat>, typeof detail>(true), { once: true })
  connection.addEventListener('gap', ({ detail }) => same<string, typeof detail.cursor>(true))
  connection.addEventListener('state', ({ detail }) => same<ConnectionState, typeof detail>(true))
  connection.addEventListener('error', ({ detail }) => {
    same<ConnectionError, typeof detail>(true)
    same<number | undefined, typeof detail.status>(true)
    same<boolean, typeof detail.final>(true)
  })
  connection.addEventListener('close', ({ detail }) => same<ConnectionError | null, typeof detail>(true))
  // @ts-expect-error there is no such event
  connection.addEventListener('open', () => {})
  // @ts-expect-error it is the connection's
  connection.cursor = '0'
  connection.close()
}

export async function untyped(): Promise<void> {
  for await (const { data } of connect(new URL('http://localhost/'))) same<unknown, typeof data>(true)
}

const options: ConnectOptions = { transport: 'auto', cursor: '0', retry: { max: 5_000 }, fetch, random: Math.random }
connect('/', options)
connect('/', { page: globalThis, fetch: globalThis.fetch })
connect('/', { headers: new Headers() })
connect('/', { headers: () => [['authorization', 'x']] })
// @ts-expect-error a header is a text
connect('/', { headers: { retries: 5 } })
// @ts-expect-error there is no such option
connect('/', { timeout: 5 })
// @ts-expect-error there is no such transport
connect('/', { transport: 'websocket' })
// @ts-expect-error no URL
connect()
