// Clients that ask now and then, each from an address of its own, and wait for their answer. Every other one keeps its
// connection from one time to the next, as a browser does; the others connect anew.
import { seeded } from '../../support/random.js'
import { answer } from '../child.js'
import { Asker } from '../wire.js'
import type { HonestFigures, HonestOptions } from './attack.js'

const random = seeded(3)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const askers = new Map<number, Asker>()

/** A third of the requests have a body. */
async function ask({ port, clients, seconds, pause }: HonestOptions): Promise<HonestFigures> {
  const figures: HonestFigures = { waits: [], connecting: [], failed: {} }
  const end = performance.now() + seconds * 1_000
  const body = JSON.stringify({ message: 'x'.repeat(500) })
  const post = `POST /work HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const one = async (n: number): Promise<void> => {
    const asker = askers.get(n) ?? new Asker(port, `127.0.1.${1 + n}`)
    if (n % 2 === 0) askers.set(n, asker)
    while (performance.now() < end) {
      await sleep(pause * random())
      const { isConnected } = asker
      const sent = performance.now()
      const status = await (random() < 1 / 3 ? asker.send(post) : asker.ask('/work'))
      if (status === 200) figures[isConnected ? 'waits' : 'connecting'].push(performance.now() - sent)
      else figures.failed[status] = (figures.failed[status] ?? 0) + 1
    }
    if (n % 2 === 1) asker.leave()
  }
  await Promise.all(Array.from({ length: clients }, (_, n) => one(n)))
  return figures
}

answer({ ask })
