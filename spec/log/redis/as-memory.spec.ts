import assert from 'node:assert/strict'
import type { After, Backlog, Position, Reading } from '../../../src/log/log.js'
import { MemoryLog } from '../../../src/log/memory.js'
import { RedisLog } from '../../../src/log/redis/index.js'
import { seeded } from '../../support/random.js'
import { noRedis, type RedisServer, redisServer } from '../../support/redis-server.js'

/** Without the epoch, which is each log's own. */
const plain = ({ messages, next, gap }: Reading): object => ({ messages, seq: next.seq, gap })

describe(`RedisLog beside MemoryLog${noRedis}`, () => {
  let server: RedisServer
  before(async function () {
    if (noRedis !== '') this.skip()
    server = await redisServer('--appendfsync', 'no')
  })
  after(() => server?.close())

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`whatever is appended, in batches of any size, and read from anywhere, is the same (seed ${seed})`, async () => {
      const random = seeded(seed)
      const below = (most: number): number => Math.floor(random() * most)
      const one = <T>(...of: readonly T[]): T => of[below(of.length)] as T
      let now = 1_700_000_000_000
      const redis = new RedisLog({ url: server.url, prefix: `seed-${seed}`, now: () => now })
      const memory = new MemoryLog({ now: () => now })
      const channels = ['a', 'b']
      // one of them is followed here: it is read from what this process keeps
      await redis.tail('b', () => {})
      const positions: [Position, Position][] = []

      for (let step = 0; step < 150; step++) {
        const channel = one(...channels)
        now += one(0, 0, 1, 10, 300)
        if (random() < 0.6) {
          const backlog: Backlog = {
            messages: one(1, 3, 10, 1_000),
            bytes: one(50, 500, 20_000),
            // the one that is read here does not tell Redis how old things are
            age: channel === 'b' ? 500 : one(100, 1_000, Number.POSITIVE_INFINITY),
          }
          const batch = Array.from({ length: 1 + below(12) }, () => ({
            data: JSON.stringify('ž'.repeat(one(0, 1, 5, 30, one(30, 3_000)))),
            ...(random() < 0.3 && { event: one('kind', '7-', 'ž+') }),
          }))
          const theirs = await Promise.all(batch.map((message) => redis.append(channel, message, backlog)))
          for (const [place, message] of batch.entries()) {
            const ours = await memory.append(channel, message, backlog)
            assert.equal(theirs[place]?.seq, ours.seq)
            positions.push([ours, theirs[place] as Position])
          }
        } else {
          const [ours, theirs] = one<[After, After]>(
            ['oldest', 'oldest'],
            ['now', 'now'],
            ...positions.slice(-1),
            ...Array.from({ length: 5 }, () => one(...positions)).filter(Boolean),
          )
          const bytes = one(1, 60, 400, Number.POSITIVE_INFINITY)
          const read = plain(await redis.read(channel, theirs, bytes))
          const expected = plain(await memory.read(channel, ours, bytes))
          // what is kept in this process may be more than what the log still has
          const isMore =
            channel === 'b' && (expected as Reading).gap === 'trimmed' && (read as Reading).gap === undefined
          if (!isMore) assert.deepEqual(read, expected, `step ${step}: ${JSON.stringify([channel, ours, bytes])}`)
        }
      }
      await redis.close()
    })
  }
})
