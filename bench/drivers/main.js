// The load driver: thousands of clients in one process, each a socket and a few lines, so that they cost little beside the
// server. It answers with what it measured, and with the share of its core that it took meanwhile.
import { answer, cpu, now } from '../support/answer.js'
import { broadcast } from './broadcast.js'
import { burst } from './burst.js'
import { Crowd } from './crowd.js'
import { load } from './load.js'
import { rate } from './rate.js'

const crowd = new Crowd()

async function measured(measure) {
  const [cpuBefore, before] = [cpu(), now()]
  const figures = await measure()
  return { load: (cpu() - cpuBefore) / (now() - before), ...figures }
}

const answers = {
  /** Connects as many clients. With `keys`, each under a key of its own. */
  open: ({ keys, ...how }) => crowd.open({ ...how, ...(keys && { keyOf: (place) => `k${place}` }) }),
  hold: () => crowd.hold(),
  broadcast: (how) => measured(() => broadcast(crowd, how)),
  rate: (how) => measured(() => rate(crowd, how)),
  burst: (how) => measured(() => burst(crowd, how)),
  load: (how) => measured(() => load(how)),
  /** Everybody leaves. */
  close: () => crowd.close(),
}

// connections that are reset leave no port behind that is taken for a while
answer(answers, answers.close)
