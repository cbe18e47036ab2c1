// Requests at a rate that does not wait for answers; or so many at once, each after the answer before.
import { seeded } from '../../support/random.js'
import { answer } from '../child.js'
import { Asker } from '../wire.js'
import type { Answers, LoadOptions } from './overload.js'

const random = seeded(2)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function load({ port, seconds, rate, atOnce, high, leave, patience }: LoadOptions): Promise<Answers> {
  const answers: Answers = { asked: 0, left: 0, statuses: {}, high: [], low: [], seconds: 0 }
  const idle: Asker[] = []
  const under: Promise<void>[] = []
  const begun = performance.now()
  const end = begun + seconds * 1_000

  async function one(asker: Asker): Promise<void> {
    answers.asked++
    const urgent = random() < high
    const sent = performance.now()
    const asking = asker.ask('/', `X-Priority: ${urgent ? 1 : 0}\r\n`)
    let leaves = random() < leave
    if (leaves) {
      leaves = await Promise.race([sleep(random() * patience).then(() => true), asking.then(() => false)])
      if (leaves) asker.leave()
    }
    const status = await asking
    if (leaves) answers.left++
    else answers.statuses[status] = (answers.statuses[status] ?? 0) + 1
    if (status === 200) answers[urgent ? 'high' : 'low'].push(performance.now() - sent)
    idle.push(asker)
  }

  if (atOnce !== undefined) {
    const again = async (asker: Asker): Promise<void> => {
      while (performance.now() < end) await one(asker)
    }
    for (let n = 0; n < atOnce; n++) under.push(again(new Asker(port, '127.0.0.1')))
  } else {
    while (performance.now() < end) {
      const due = ((performance.now() - begun) / 1_000) * (rate ?? 0)
      while (answers.asked < due) under.push(one(idle.pop() ?? new Asker(port, '127.0.0.1')))
      await sleep(2)
    }
  }
  await Promise.all(under)
  answers.seconds = (performance.now() - begun) / 1_000
  for (const asker of idle) asker.leave()
  return answers
}

answer({ load })
