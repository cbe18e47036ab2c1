import { now } from '../support/answer.js'
import { quantiles } from './broadcast.js'

/** Milliseconds after the end in which a message may still come. */
const patience = 3_000

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Publishes at a fixed rate, whatever the server does, and everybody who was answered asks again at once.
 *
 * @param perSecond how many messages
 * @param ms for how long
 * @param keys how many keys there are, each message for one of them; without it all are for everybody
 * @param sample the time of every so many clients is kept
 * @returns times are in microseconds, from the sending of a message to its receipt
 */
export async function rate(crowd, { perSecond, ms, keys, sample = 1 }) {
  const times = []
  let sent = 0
  let received = 0
  crowd.atOnce = true
  const begun = now()
  crowd.onMessage = (client, stamp) => {
    // of another rate, from before
    if (stamp < begun - 1) return
    received++
    if (client.place % sample === 0) times.push(now() - stamp)
  }

  const end = begun + ms * 1000
  for (let issued = 0; now() < end; await pause(1)) {
    for (const due = ((now() - begun) / 1e6) * perSecond; issued < due; issued++) {
      const key = keys === undefined ? 'all' : `k${(issued * 7919) % keys}`
      void crowd.publisher.publish(key, now(), () => sent++)
    }
  }
  const inTime = received
  const seconds = (now() - begun) / 1e6
  crowd.publisher.drop()

  // what is under way still comes, until nothing more does, or for too long
  for (let before = -1, waited = 0; received !== before && waited < patience; waited += 200) {
    before = received
    await pause(200)
  }
  const expected = keys === undefined ? sent * crowd.clients.length : sent
  return {
    sent,
    expected,
    received,
    perSecond: inTime / seconds,
    ...quantiles(times.sort((one, other) => one - other)),
  }
}
