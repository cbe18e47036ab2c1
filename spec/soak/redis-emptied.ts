// Redis is stopped and started again empty, again and again, while messages are published by two servers: is every client told
// of a gap before it misses something, and does it see all the rest once and in order?
// `npx tsx spec/soak/redis-emptied.ts [clients] [messages] [rounds] [seconds]`
import { fileURLToPath } from 'node:url'
import Koa from 'koa'
import { Channel, continuations } from '../../src/index.js'
import { RedisLog } from '../../src/log/redis/index.js'
import { redisServer } from '../support/redis-server.js'
import { roundRobin } from '../support/round-robin.js'
import { serve } from '../support/serve.js'
import { type Got, type Line, receive, type Way } from '../support/wire-clients.js'

export interface EmptiedRun {
  clients: number
  messages: number
  rounds: number
  standstill: () => Promise<void>
  pause: () => Promise<void>
}

export interface EmptiedTally {
  messages: number
  emptied: number
  requests: number
  /** What clients were told of. */
  gaps: number
  /** Messages that clients have not seen, after a gap and as if there were none. */
  missed: number
  silentlyMissed: number
  doubled: number
}

export async function emptied({ clients, messages, rounds, standstill, pause }: EmptiedRun): Promise<EmptiedTally> {
  const redis = await redisServer('--appendfsync', 'no')
  const sites = await Promise.all(
    [1, 2].map(async () => {
      const log = new RedisLog({ url: redis.url, wait: Number.POSITIVE_INFINITY })
      const channel = new Channel('emptied', { log, backlog: { messages: messages + 1, bytes: 100_000_000 } })
      const app = new Koa()
      app.silent = true
      return { log, channel, served: await serve(app.use(continuations()).use(channel.subscriber())) }
    }),
  )
  const proxy = await roundRobin(() => sites.map(({ served }) => served.url))
  const tally: EmptiedTally = { messages, emptied: 0, requests: 0, gaps: 0, missed: 0, silentlyMissed: 0, doubled: 0 }

  const ways: Way[] = ['plain', 'long', 'events', 'lines']
  const receiving = Array.from({ length: clients }, (_, place) => {
    const got: Got = { last: 0, requests: 0, doubled: 0, outOfOrder: 0, gaps: 0 }
    let last = 0
    let gaps = 0
    const numberOf = ({ data: { n } }: Line & { data: { n: number } }): number => {
      if (n <= last) tally.doubled++
      else if (n > last + 1 && got.gaps === gaps) tally.silentlyMissed += n - last - 1
      else tally.missed += n - last - 1
      tally.gaps += got.gaps - gaps
      gaps = got.gaps
      last = n
      return n
    }
    const headers = { 'x-client': `client ${place}` }
    return receive(proxy.url, ways[place % 4] as Way, messages, pause, got, { numberOf, headers })
  })

  for (let n = 1; n <= messages; n++) {
    if (n < messages && n % Math.ceil(messages / (rounds + 1)) === 0) {
      tally.emptied++
      await redis.stop('SIGKILL')
      redis.empty()
      await standstill()
      await redis.start()
    }
    await sites[n % 2]?.channel.publish({ n })
    if (n % 3 === 0) await pause()
  }
  await Promise.all(receiving)
  tally.requests = proxy.turns.requests
  await proxy.close()
  for (const { log, channel, served } of sites) {
    await served.close()
    await channel.close()
    await log.close()
  }
  await redis.close()
  return tally
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [clients = 100, messages = 5_000, rounds = 5, seconds = 2] = process.argv.slice(2).map(Number)
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const tally = await emptied({
    clients,
    messages,
    rounds,
    standstill: () => sleep(seconds * 1_000),
    pause: () => sleep(3),
  })
  console.log(`Node ${process.version}, ${clients} clients of four kinds`)
  console.table(tally)
  process.exit(tally.silentlyMissed + tally.doubled === 0 && tally.gaps > 0 ? 0 : 1)
}
