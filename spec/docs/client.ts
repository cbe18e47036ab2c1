import assert from 'node:assert/strict'
import Koa from 'koa'
import { type Connection, type ConnectOptions, connect } from '../../src/client/index.js'
import { Channel } from '../../src/index.js'
import { until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

type Shows = (name: string, look: () => Promise<void>, add: () => Promise<object>) => void

/** What is shown of the client. */
export function showClient(shows: Shows): void {
  const shown: string[] = []
  const ids: string[] = []
  const kept = new Map<string, string>()
  let served: Served

  shows(
    'src/client/connect.ts, connect #1',
    async () => {
      await served.close()
      assert.deepEqual(shown, ['one', 'two'])
      assert.deepEqual([...kept], [[`koa-continuation ${served.url}/news`, ids[1]]])
    },
    async () => {
      const news = new Channel('news')
      served = await serve(new Koa().use(news.subscriber()))
      const { url } = served
      const publish = async (text: string): Promise<void> => void ids.push((await news.publish({ text })).id)
      let connection: Connection
      return {
        reload: () => assert.fail('nothing was missed'),
        sessionStorage: {
          getItem: (key: string) => kept.get(key) ?? null,
          setItem: (key: string, cursor: string) => kept.set(key, cursor),
        },
        connect: (path: string, options: ConnectOptions) => {
          connection = connect(url + path, options)
          void until(() => news.waiters.size === 1).then(() => publish('one'))
          return connection
        },
        show: (text: string) => {
          shown.push(text)
          if (text === 'one') void publish('two')
          else connection.close()
        },
      }
    },
  )
}
