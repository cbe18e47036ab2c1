import { parentPort } from 'node:worker_threads'
import type { Log } from '../../src/log/log.js'

const wide = { messages: 100_000, bytes: 100_000_000, age: 3_600_000 }

/** Appends so many, a few of them at once. */
async function write(log: Log, who: number, count: number): Promise<void> {
  for (let begun = 0; begun < count; begun += 50) {
    const some = Array.from({ length: Math.min(50, count - begun) }, (_, place) => begun + place)
    await Promise.all(some.map((n) => log.append('a', { data: JSON.stringify([who, n]) }, wide)))
  }
}

/** All that is in the log, until it is so much. */
async function follow(log: Log, total: number): Promise<string> {
  let ring = (): void => {}
  let rung = false
  const stop = await log.tail('a', () => {
    rung = true
    ring()
  })
  const seen: string[] = []
  let { messages, next } = await log.read('a', 'oldest', 10_000)
  for (;;) {
    for (const { seq, data } of messages) seen.push(`${seq} ${data}`)
    if (seen.length >= total) break
    rung = false
    ;({ messages, next } = await log.read('a', next, 10_000))
    if (messages.length === 0 && !rung) await new Promise<void>((resolve) => (ring = resolve))
  }
  stop()
  return seen.join('\n')
}

interface Told {
  areYou?: 'ready'
  write?: { who: number; count: number; total: number }
  end?: true
}

/** In a thread or a process of its own: writes to a log, and follows it, as it is told. */
export function writer(log: Log): void {
  const port = parentPort ?? process
  const tell = (message: object): void => {
    if (parentPort === null) process.send?.(message)
    else parentPort.postMessage(message)
  }
  port.on('message', async ({ areYou, write: what, end }: Told) => {
    if (areYou !== undefined) tell({ [areYou]: true })
    if (what !== undefined) {
      const [seen] = await Promise.all([follow(log, what.total), write(log, what.who, what.count)])
      tell({ seen })
    }
    if (end) process.exit()
  })
}
