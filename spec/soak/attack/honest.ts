// Clients that ask now and then, each from an address of its own, and wait for their answer.
import { seeded } from '../../support/random.js'
import { answer } from '../child.js'
import { Asker } from '../wire.js'
import type { HonestFigures, HonestOptions } from './attack.js'

const random = seeded(3)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A third of the requests have a body. */
async function ask({ port, clients, seconds, pause }: HonestOptions): Promise<HonestFigures> {
  const figures: HonestFigures = { waits: [], failed: {} }
  const end = performance.now() + seconds * 1_000
  const body = JSON.stringify({ message: 'x'.repeat(500) })
  const post = `POST /work HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const one = async (n: number): Promise<void> => {
    const asker = new Asker(port, `127.0.1.${1 + n}`)
    while (performance.now() < end) {
      await sleep(pause * random())
      const sent = performance.now()
      const status = await (random() < 1 / 3 ? asker.send(post) : asker.ask('/work'))
      if (status === 200) figures.waits.push(performance.now() - sent)
      else figures.failed[status] = (figures.failed[status] ?? 0) + 1
    }
    asker.leave()
  }
  await Promise.all(Array.from({ length: clients }, (_, n) => one(n)))
  return figures
}

answer({ ask })
