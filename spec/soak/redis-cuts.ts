// The connection to Redis is cut behind every byte of a publish and of a read: is any message lost, doubled or out of order?
// `npx tsx spec/soak/redis-cuts.ts [every]`
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { RedisLog } from '../../src/log/redis/index.js'
import { type CuttingProxy, cuttingProxy, type Direction, type Kind } from '../support/cutting-proxy.js'
import { until } from '../support/gate.js'
import { redisServer } from '../support/redis-server.js'

export interface CutsTally {
  cuts: number
  published: number
  /** Messages of those that are in the log more or less than once, or not in order. */
  wrong: number
  /** Of those that were read through the connection that was cut. */
  misread: number
  /** Of those that a follower has seen. */
  misheard: number
}

const backlog = { messages: 1_000_000, bytes: 1_000_000_000, age: 3_600_000 }

/** @param every how many bytes are between two cuts */
export async function cuts(every: number): Promise<CutsTally> {
  const server = await redisServer('--appendfsync', 'no')
  const proxy = await cuttingProxy(server.path)
  const log = new RedisLog({ url: proxy.url, wait: Number.POSITIVE_INFINITY, retry: () => 0 })
  const other = new RedisLog({ url: server.url, wait: Number.POSITIVE_INFINITY })
  const tally: CutsTally = { cuts: 0, published: 0, wrong: 0, misread: 0, misheard: 0 }
  const publish = (from: RedisLog) => from.append('a', { data: String(++tally.published) }, backlog)
  try {
    // the way that follows, from the first message to the last
    const seen: string[] = []
    let { next } = await log.read('a', 'oldest')
    let reading = Promise.resolve()
    const follow = (): void => {
      reading = reading.then(async () => {
        const read = await log.read('a', next)
        assert.equal(read.gap, undefined)
        seen.push(...read.messages.map(({ data }) => data))
        next = read.next
      })
    }
    const stop = await log.tail('a', follow)

    await everywhere(proxy, every, 'commands', () => publish(log))
    // nobody follows here, so each read goes to Redis
    await other.append('b', { data: '"b"', event: 'b' }, backlog)
    await everywhere(proxy, every, 'commands', async () => {
      const { messages, gap } = await log.read('b', 'oldest')
      if (gap !== undefined || messages.map(({ data }) => data).join() !== '"b"') tally.misread++
    })
    await everywhere(proxy, every, 'doorbells', async () => {
      await publish(other)
      await until(() => seen.length === tally.published)
    })
    await until(() => seen.length === tally.published)
    await reading
    tally.misheard = misplaced(seen)
    stop()

    // the steps that come before the first command
    await everywhere(proxy, every * 50, 'commands', async () => {
      const own = new RedisLog({ url: proxy.url, wait: Number.POSITIVE_INFINITY, retry: () => 0 })
      await publish(own)
      await own.close()
    })

    const all = (await other.read('a', 'oldest')).messages
    tally.wrong = misplaced(all.map(({ data }) => data)) + Math.abs(all.length - tally.published)
    tally.cuts = proxy.cuts
    return tally
  } finally {
    await log.close()
    await other.close()
    await proxy.close()
    await server.close()
  }
}

/** Does it again and again, cut a little later each time, until it is over before the cut. */
async function everywhere(proxy: CuttingProxy, every: number, kind: Kind, act: () => Promise<unknown>): Promise<void> {
  for (const direction of ['asked', 'answered'] as Direction[]) {
    for (let after = 0, before = -1; proxy.cuts !== before; after += every) {
      before = proxy.cuts
      proxy.arm(kind, direction, after)
      await act()
      proxy.disarm()
    }
  }
}

function misplaced(numbers: readonly string[]): number {
  return numbers.filter((number, place) => number !== String(place + 1)).length
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tally = await cuts(Number(process.argv[2] ?? 1))
  console.table(tally)
  process.exitCode = tally.wrong + tally.misread + tally.misheard === 0 ? 0 : 1
}
