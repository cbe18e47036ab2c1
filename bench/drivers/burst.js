import { now } from '../support/answer.js'
import { quantiles } from './broadcast.js'

/**
 * Clients arrive all at once, on connections of their own, while a message is published every so often. Each is answered by
 * the first message after its arrival.
 *
 * @param every milliseconds between two messages
 * @returns microseconds from the start until clients had their answer
 */
export async function burst(crowd, { port, count, dialect, every = 50, patience = 10_000 }) {
  await crowd.publisher.open(port)
  crowd.atOnce = false
  const after = []
  const clients = Array.from({ length: count }, (_, place) => crowd.make({ dialect, place }))
  const begun = now()
  const publishing = setInterval(() => void crowd.publisher.publish('all'), every)
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, patience)
    crowd.onMessage = ({ last }) => {
      if (last === 0 && after.push(now() - begun) === count) {
        clearTimeout(timer)
        resolve()
      }
    }
    for (const client of clients) {
      client.open(port).then(
        () => client.ask(),
        () => {},
      )
    }
  })
  clearInterval(publishing)
  crowd.clients.push(...clients)
  return { received: after.length, ...quantiles(after) }
}
