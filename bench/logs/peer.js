// One who publishes or follows, in a thread or a process: asked by messages, over a log or by node-redis alone.
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { Channel } from 'koa-continuation'

/** Microseconds on a clock that all processes of the machine share. */
const now = () => Number(process.hrtime.bigint()) / 1_000

/** What every way must do: publish some data, and hand over all that comes, in order, until it is stopped. */
const ways = {
  async port() {
    const { PortLog } = await import('koa-continuation/port')
    return overLog(new PortLog(parentPort ?? process))
  },

  async redis() {
    const { RedisLog } = await import('koa-continuation/redis')
    return overLog(new RedisLog({ url: process.env.REDIS_URL }))
  },

  /** XADD and XREAD as node-redis has them, and nothing else. */
  async limit() {
    const { createClient } = await import('redis')
    const open = () =>
      createClient({ url: process.env.REDIS_URL })
        .on('error', () => {})
        .connect()
    const client = await open()
    return overStream(
      (data) => client.xAdd('bench', '*', { d: JSON.stringify(data) }),
      open,
      async (reader, id) => {
        const [stream] = await reader.xRead({ key: 'bench', id }, { COUNT: 1_000, BLOCK: 0 })
        return stream.messages.map(({ id, message }) => [id, message.d])
      },
    )
  },

  /** The same without what node-redis does for comfort: no time limit for each command, and answers as they are. */
  async raw() {
    const { createClient } = await import('redis')
    const options = { url: process.env.REDIS_URL, commandOptions: { timeout: undefined } }
    const open = () =>
      createClient(options)
        .on('error', () => {})
        .connect()
    const client = await open()
    return overStream(
      (data) => client.sendCommand(['XADD', 'bench', '*', 'd', JSON.stringify(data)]),
      open,
      async (reader, id) => {
        const ask = ['XREAD', 'COUNT', '1000', 'BLOCK', '0', 'STREAMS', 'bench', id]
        const [entries] = Object.values(await reader.sendCommand(ask))
        return entries.map(([id, [, data]]) => [id, data])
      },
    )
  },
}

function overStream(publish, open, read) {
  return {
    publish,
    async follow(take) {
      const reader = await open()
      const [end] = await reader.xRevRange('bench', '+', '-', { COUNT: 1 })
      let last = end?.id ?? '0-0'
      const follow = async () => {
        for (;;) {
          for (const [id, data] of await read(reader, last)) {
            last = id
            take(data)
          }
        }
      }
      follow().catch(() => {})
      return () => reader.destroy()
    },
  }
}

/** As an app would: published by a channel; followed as a channel follows. */
export function overLog(log) {
  // who follows may fall behind for a while
  const channel = new Channel('bench', { log, backlog: { messages: 50_000, bytes: 100_000_000 } })
  return {
    publish: (data) => channel.publish(data),
    async follow(take) {
      let { next } = await log.read('bench', 'now')
      let isReading = false
      let isDue = false
      const read = async () => {
        isDue = true
        if (isReading) return
        isReading = true
        while (isDue) {
          isDue = false
          const reading = await log.read('bench', next)
          if (reading.gap !== undefined) throw new Error(`a gap: ${reading.gap}`)
          next = reading.next
          for (const { data } of reading.messages) take(data)
        }
        isReading = false
      }
      const stop = await log.tail('bench', read)
      await read()
      return stop
    },
  }
}

/** Publishes so many, so many of them at once; or one after the other, so many a second. Answers when it began. */
export async function publishing({ publish }, { count, depth, rate }) {
  const text = 'x'.repeat(80)
  const began = now()
  let n = 0
  if (rate === undefined) {
    const one = async () => {
      while (n < count) await publish({ n: n++, at: now(), text })
    }
    await Promise.all(Array.from({ length: depth }, one))
    return began
  }
  const sent = []
  for (; n < count; n++) {
    while (now() - began < (n * 1e6) / rate) await new Promise((resolve) => setTimeout(resolve, 1))
    sent.push(publish({ n, at: now(), text }))
  }
  await Promise.all(sent)
  return began
}

/** Follows from now on. `ready` when it does; `done` when so many have come, with how long each was on its way. */
export async function following(way, { count }) {
  const delays = new Float64Array(count)
  const seen = new Uint8Array(count)
  let came = 0
  let resolve
  const done = new Promise((settle) => {
    resolve = settle
  })
  const stop = await way.follow((data) => {
    const { n, at } = JSON.parse(data)
    if (seen[n]++ > 0) throw new Error(`${n} came twice`)
    delays[came++] = now() - at
    if (came === count) resolve(now())
  })
  return {
    done: done.then((ended) => {
      stop()
      delays.sort()
      const at = (share) => delays[Math.ceil(share * count) - 1] / 1_000
      return { ended, half: at(0.5), most: at(0.99), longest: at(1) }
    }),
  }
}

const port = parentPort ?? process
const isPeer = parentPort !== null || pathToFileURL(process.argv[1]).href === import.meta.url
if (isPeer) {
  const way = await ways[workerData ?? process.argv[2]]()
  const tell = (message) => (parentPort === null ? process.send(message) : parentPort.postMessage(message))
  port.on('message', async ({ follow, publish }) => {
    if (follow !== undefined) {
      const { done } = await following(way, follow)
      tell({ following: true })
      tell({ followed: await done })
    }
    if (publish !== undefined) tell({ published: await publishing(way, publish) })
  })
  if (parentPort === null) process.on('disconnect', () => process.exit())
  tell({ there: true })
}
