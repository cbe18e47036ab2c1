// Clients of all four kinds behind a proxy that cuts, drops and stalls, while messages are published: does every client see
// every message once and in order? `npx tsx spec/soak/loss.ts [clients] [messages] [seconds] [seed]`
import { fileURLToPath } from 'node:url'
import Koa from 'koa'
import { Channel, continuations } from '../../src/index.js'
import { chaosProxy } from '../support/chaos-proxy.js'
import { seeded } from '../support/random.js'
import { serve } from '../support/serve.js'
import { type Got, receive, type Way } from '../support/wire-clients.js'

export interface LossRun {
  clients: number
  messages: number
  seed: number
  /** Waits between two messages. */
  pace: (published: number) => Promise<void>
  /** How long a client rests before it asks again, and a connection stands still. */
  pause: (random: number) => Promise<void>
}

export interface LossTally {
  messages: number
  deliveries: number
  requests: number
  connections: number
  cuts: number
  stalls: number
  doubled: number
  outOfOrder: number
  gaps: number
  missing: number
}

export async function loss({ clients, messages, seed, pace, pause }: LossRun): Promise<LossTally> {
  const random = seeded(seed)
  const channel = new Channel('loss', { backlog: { messages: messages + 1, bytes: 100_000_000 } })
  const app = new Koa()
  app.silent = true
  app.use(continuations()).use(channel.subscriber())
  const served = await serve(app)
  const proxy = await chaosProxy(served.port, random, () => pause(random()))
  const ways: Way[] = ['plain', 'long', 'events', 'lines']
  const got: Got[] = []
  const receiving = Array.from({ length: clients }, (_, place) => {
    const own: Got = { last: 0, requests: 0, doubled: 0, outOfOrder: 0, gaps: 0 }
    got.push(own)
    return receive(`http://127.0.0.1:${proxy.port}/`, ways[place % 4] as Way, messages, () => pause(random()), own)
  })
  for (let n = 1; n <= messages; n++) {
    await channel.publish({ n, text: 'x'.repeat(Math.floor(random() * 200)) })
    await pace(n)
  }
  await Promise.all(receiving)
  await proxy.close()
  await served.close()
  await channel.close()
  const sum = (of: (own: Got) => number): number => got.reduce((total, own) => total + of(own), 0)
  return {
    messages,
    deliveries: sum(({ last }) => last),
    requests: sum(({ requests }) => requests),
    ...proxy.tally,
    doubled: sum(({ doubled }) => doubled),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    gaps: sum(({ gaps }) => gaps),
    missing: clients * messages - sum(({ last }) => last),
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [clients = 200, messages = 20_000, seconds = 60, seed = Date.now() % 100_000] = process.argv
    .slice(2)
    .map(Number)
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const began = performance.now()
  const tally = await loss({
    clients,
    messages,
    seed,
    pace: async (published) => {
      const ahead = (published / messages) * seconds * 1_000 - (performance.now() - began)
      if (ahead > 1) await sleep(ahead)
    },
    pause: (random) => sleep(random * 200),
  })
  console.log(
    `Node ${process.version}, seed ${seed}, ${clients} clients of four kinds, ${Math.round(performance.now() - began)} ms`,
  )
  console.table(tally)
  const { doubled, outOfOrder, gaps, missing } = tally
  process.exit(doubled + outOfOrder + gaps + missing === 0 ? 0 : 1)
}
