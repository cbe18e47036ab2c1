import { now } from '../support/answer.js'
import { wokenIn } from './publisher.js'

/**
 * One message to everybody.
 *
 * @param atOnce whether each client asks again as soon as it has its message
 * @param patience milliseconds to wait for the last
 * @returns what the server counted, and after how many microseconds each client had the message
 */
export async function broadcast(crowd, { atOnce = false, patience = 30_000 }) {
  const after = []
  let wrong = 0
  const stamp = Math.round(now())
  crowd.atOnce = atOnce
  const load = stayAwake(crowd)
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, patience)
    crowd.onMessage = (client, seen) => {
      if (seen !== stamp || client.last === stamp) wrong++
      else if (after.push(now() - stamp) === crowd.clients.length) {
        clearTimeout(timer)
        resolve()
      }
    }
    crowd.publisher.publish('all', stamp).then((response) => {
      crowd.woken = wokenIn(response)
    }, reject)
  })
  return { received: after.length, wrong, woken: crowd.woken, ...quantiles(after), first: after[0], load: load() }
}

/**
 * Keeps the process from going to sleep: whoever writes to one that sleeps wakes it up, and that would be counted among the
 * work of a server, the more the better it spreads its answers. The function that it returns ends that, and says for what
 * share of the time there was something to read.
 */
function stayAwake(crowd) {
  const begun = now()
  let turned = begun
  let heard = crowd.heard
  let busy = 0
  let awake = true
  const turn = () => {
    const present = now()
    if (crowd.heard !== heard) busy += present - turned
    heard = crowd.heard
    turned = present
    if (awake) setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    awake = false
    return busy / (now() - begun)
  }
}

/** Of values in order. */
export function quantiles(sorted) {
  const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  return { half: at(0.5), most: at(0.99), last: at(1) }
}
