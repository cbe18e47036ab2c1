import { describeLog } from '../../../src/log/describe-log.js'
import { RedisLog } from '../../../src/log/redis/index.js'
import { start } from '../../support/hosts.js'
import { noRedis, type RedisServer, redisServer } from '../../support/redis-server.js'
import { fourWrite } from '../four-write.js'

describe(`RedisLog on a redis-server${noRedis}`, () => {
  let server: RedisServer
  let logs = 0
  let ahead = 0

  before(async function () {
    if (noRedis !== '') this.skip()
    server = await redisServer()
  })
  after(() => server?.close())

  const open = (prefix: string): RedisLog => new RedisLog({ url: server.url, prefix, now: () => Date.now() + ahead })

  describeLog('RedisLog', async () => open(`log-${++logs}`), {
    another: async () => open(`log-${logs}`),
    advance: (ms) => {
      ahead += ms
    },
  })

  it('4 processes write 10 000 messages: one order for all, each message once', async () => {
    const env = process.env
    const log = open('koa-continuation')
    process.env = { ...env, REDIS_URL: server.url }
    try {
      const hosts = await Promise.all(
        Array.from({ length: 4 }, () => start('process', new URL('writer.ts', import.meta.url))),
      )
      await fourWrite(hosts, log, 10_000)
    } finally {
      process.env = env
      await log.close()
    }
  })
})
