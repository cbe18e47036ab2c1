// The home of a log: whoever publishes and whoever follows are here, in threads, or in processes, as the first argument says.
// A process begins with the command that the other arguments are.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { MemoryLog } from 'koa-continuation'
import { LogOwner } from 'koa-continuation/port'
import { answer } from '../support/answer.js'
import { following, overLog, publishing } from './peer.js'

const file = new URL('peer.js', import.meta.url)
const owner = new LogOwner(new MemoryLog())

/** What is asked of it, and what it says next that has this. */
function peer(host) {
  return {
    tell: (message) => (host instanceof Worker ? host.postMessage(message) : host.send(message)),
    hears: (name) =>
      new Promise((resolve) => {
        const hear = (message) => {
          if (typeof message !== 'object' || !(name in message)) return
          host.off('message', hear)
          resolve(message[name])
        }
        host.on('message', hear)
      }),
  }
}

async function started(host) {
  const one = peer(host)
  const there = one.hears('there')
  host.once('exit', () => process.exit(1))
  if (home === 'threads' || home === 'processes') owner.serve(host)
  await there
  return one
}

const [home, execPath, ...execArgv] = process.argv.slice(2)
const begun = (way) => fork(fileURLToPath(file), [way], { execPath, execArgv })
const begin = {
  threads: () => new Worker(file, { workerData: 'port' }),
  processes: () => begun('port'),
  redis: () => begun('redis'),
  limit: () => begun('limit'),
  raw: () => begun('raw'),
}[home]

const peers = begin === undefined ? undefined : Promise.all([started(begin()), started(begin())])
const here = overLog(new MemoryLog())

answer({
  ready: async () => {
    await peers
  },

  async run({ count, ...how }) {
    if (peers === undefined) {
      const { done } = await following(here, { count })
      const began = await publishing(here, { count, ...how })
      return { began, ...(await done) }
    }
    const [publisher, follower] = await peers
    const ready = follower.hears('following')
    const followed = follower.hears('followed')
    follower.tell({ follow: { count } })
    await ready
    const published = publisher.hears('published')
    publisher.tell({ publish: { count, ...how } })
    return { began: await published, ...(await followed) }
  },
})
