// What a manager's calls take where few wait in it and where many do: no sockets, no Koa, a bare host each.
import { ContinuationManager } from 'koa-continuation'
import { answer } from '../support/answer.js'

// the inner side of a continuation is not exported; src/ where this runs under a loader of TypeScript
const built = import.meta.resolve('koa-continuation')
const { Life } = await import(new URL('core/life.js', built))
const { systemClock } = await import(new URL('core/clock.js', built))

const woken = []
const policy = {
  timeout: 60_000,
  jitter: 0,
  random: Math.random,
  clock: systemClock,
  queue: { push: (life) => woken.push(life) },
}

class BareHost {
  context = {}
  policy = policy
  clientId = undefined
  admit() {}
  release() {}
  capture() {}
  enter(callback) {
    callback()
  }
  parked() {}
  isGone() {
    return false
  }
  completed() {}
  dismissed() {}
  report(error) {
    throw error
  }
}

/** A request that is parked, in no manager yet. */
function parked(timeout) {
  const life = new Life(new BareHost(), true)
  life.suspend(timeout)
  life.returned(true)
  return life
}

/** Those that were decided are dispatched, answer, and are over. */
function finish() {
  for (const life of woken.splice(0)) {
    life.wake()
    life.returned(true)
    life.close(true)
  }
}

/** A manager in which as many wait, each under a key of its own or all under one. */
class Crowd {
  manager = new ContinuationManager()
  lives = []
  /** The least that one could do. */
  bare = new Map()

  constructor(count, keyOf) {
    this.keyOf = keyOf
    for (let place = 0; place < count; place++) this.bare.set(own(place), { line: { size: 1 } })
    for (let place = 0; place < count; place++) this.fill(place)
  }

  fill(place) {
    const life = parked()
    this.lives[place] = life
    this.manager.stash(life.continuation, this.keyOf(place))
  }
}

const own = (place) => `k${place}`
const one = () => 'all'
const batch = 200
let seed = 1

/** Different places, the same in every run. */
function places(count) {
  const chosen = new Set()
  while (chosen.size < Math.min(batch, count >> 1)) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    chosen.add(Math.floor((seed / 2 ** 32) * count))
  }
  return [...chosen]
}

/** Nanoseconds that `act` takes for each of these. */
function timed(these, act) {
  const begun = process.hrtime.bigint()
  for (const one of these) act(one)
  return Number(process.hrtime.bigint() - begun) / these.length
}

const operations = {
  /** Suspended before, and taken out again after. */
  stash({ manager, lives }) {
    const more = places(lives.length).map((place) => ({ life: parked(), key: `more${place}` }))
    const taken = timed(more, ({ life, key }) => manager.stash(life.continuation, key))
    for (const { life } of more) life.complete()
    finish()
    return taken
  },

  resume(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, (place) => crowd.manager.resume(own(place), { message: 'news' }))
    finish()
    for (const place of chosen) crowd.fill(place)
    return taken
  },

  /** The client leaves. */
  leave(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, (place) => crowd.lives[place].close(false))
    for (const place of chosen) {
      crowd.lives[place].returned(true)
      crowd.fill(place)
    }
    return taken
  },

  /** All of them in one turn of the machine's own timers, while the others wait for longer. */
  async expire({ manager, lives }) {
    const chosen = places(lives.length)
    const expiring = chosen.map((place) => {
      const life = parked(1)
      manager.stash(life.continuation, `more${place}`)
      return life
    })
    for (const end = performance.now() + 3; performance.now() < end; );
    const begun = process.hrtime.bigint()
    while (woken.length < expiring.length) await new Promise((resolve) => setImmediate(resolve))
    const taken = Number(process.hrtime.bigint() - begun) / expiring.length
    finish()
    return taken
  },

  /** For comparison: what memory alone makes of it, in a Map that keeps these by their keys. */
  map({ bare }) {
    const more = places(bare.size).map((place) => ({ value: {}, key: `more${place}` }))
    const taken = timed(more, ({ value, key }) => bare.set(key, value))
    for (const { key } of more) bare.delete(key)
    return taken
  },

  unmap({ bare }) {
    const chosen = places(bare.size)
    const taken = timed(chosen, (place) => {
      const { line } = bare.get(own(place))
      line.size--
      bare.delete(own(place))
    })
    for (const place of chosen) bare.set(own(place), { line: { size: 1 } })
    return taken
  },

  /** The first of all under one key. */
  first(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, () => crowd.manager.resume('all', { message: 'news' }, 1))
    finish()
    for (const place of chosen) crowd.fill(place)
    return taken
  },
}

answer({
  /** Nanoseconds of each batch by operation, for few and for many by turns. */
  async measure({ few, many, times }) {
    const taken = {}
    for (const [name, operation] of Object.entries(operations)) {
      const keyOf = name === 'first' ? one : own
      const crowds = { few: new Crowd(few, keyOf), many: new Crowd(many, keyOf) }
      taken[name] = { few: [], many: [] }
      // the first half is for the compiler to warm to it
      for (let time = 0; time < times * 2; time++) {
        for (const [size, crowd] of Object.entries(crowds)) {
          const nanoseconds = await operation(crowd)
          if (time >= times) taken[name][size].push(nanoseconds)
        }
      }
      for (const { manager } of Object.values(crowds)) {
        for (const continuation of [...manager]) continuation.complete()
        finish()
        if (manager.size > 0) throw new Error(`${manager.size} have stayed after ${name}`)
      }
    }
    return taken
  },
})
