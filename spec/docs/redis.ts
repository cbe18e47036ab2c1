import assert from 'node:assert/strict'
import { createClient } from 'redis'
import { Channel } from '../../src/index.js'
import { RedisLog, type RedisLogOptions } from '../../src/log/redis/index.js'
import { noRedis, type RedisServer, redisServer } from '../support/redis-server.js'
import { run, type Snippet } from './snippets.js'

type Runs = (name: string, body: (snippet: Snippet) => Promise<void>) => void

/** What is shown of logs in Redis. */
export function showRedis(runs: Runs): void {
  let server: RedisServer
  /** Where the page has a Redis, it is ours. */
  class OurRedisLog extends RedisLog {
    constructor(options: RedisLogOptions) {
      super(options.client === undefined ? { ...options, url: server.url } : options)
    }
  }

  const shows = (
    name: string,
    look: (own: Record<string, unknown> & { log: RedisLog }) => Promise<void>,
    add: () => object = () => ({}),
  ): void =>
    runs(name, async (snippet) => {
      if (noRedis !== '') return
      server = await redisServer()
      try {
        const given = { Channel, RedisLog: OurRedisLog, ...add() }
        // what the page imports is given
        const code = snippet.code.replace(/^import .*$/gm, '')
        const own = { ...given, ...(await run({ ...snippet, code }, given)) } as unknown as { log: RedisLog }
        await look(own as Record<string, unknown> & { log: RedisLog })
        await own.log.close()
      } finally {
        await server.close()
      }
    })

  for (const name of [
    'README.md, More than one process #3',
    'docs/redis.md, Over several machines, with Redis #1',
    'src/log/redis/redis-log.ts, RedisLog #1',
  ]) {
    shows(name, async ({ news }) => {
      assert.match((await (news as Channel).publish('hello')).id, /-1$/)
    })
  }

  shows(
    'docs/redis.md, Options #1',
    async ({ log }) => {
      await log.ready()
    },
    () => ({ createClient, whereRedisIs: async () => server.url }),
  )

  const printed: unknown[] = []
  const warned: unknown[] = []
  shows(
    'docs/redis.md, While Redis is away #1',
    async ({ log }) => {
      const [statistics] = printed as [RedisLog['statistics']]
      const shown = ['state', 'troubles', 'lastTrouble', 'waiting', 'channels', 'cached']
      assert.deepEqual(Object.keys(statistics), shown)
      await log.read('a', 'oldest').catch(() => {})
      assert.equal(warned.length, log.statistics.troubles)
    },
    () => ({
      console: { log: (line: unknown) => printed.push(line), warn: (line: unknown) => warned.push(line) },
    }),
  )
}
