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
  hearBody() {}
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

/** As many who wait, each under a key of its own or all under one, in one manager or spread over several. */
class Crowd {
  lives = []
  #keyOf
  #managers
  /** The least that one could do. */
  #maps

  constructor(count, keyOf, managers = 1) {
    this.#keyOf = keyOf
    this.#managers = Array.from({ length: managers }, () => new ContinuationManager())
    this.#maps = this.#managers.map(() => new Map())
    for (let place = 0; place < count; place++) this.map(place).set(own(place), { line: { size: 1 } })
    for (let place = 0; place < count; place++) this.fill(place)
  }

  manager(place) {
    return this.#managers[place % this.#managers.length]
  }

  map(place) {
    return this.#maps[place % this.#maps.length]
  }

  fill(place) {
    const life = parked()
    this.lives[place] = life
    if (this.#keyOf !== none) this.manager(place).stash(life.continuation, this.#keyOf(place))
  }

  end() {
    for (const life of this.lives) life.complete()
    for (const manager of this.#managers) {
      for (const continuation of [...manager]) continuation.complete()
      finish()
      if (manager.size > 0) throw new Error(`${manager.size} have stayed`)
    }
  }
}

const own = (place) => `k${place}`
const one = () => 'all'
/** In no manager at all. */
const none = () => undefined
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
  stash(crowd) {
    const more = places(crowd.lives.length).map((place) => ({ place, life: parked(), key: `more${place}` }))
    const taken = timed(more, ({ place, life, key }) => crowd.manager(place).stash(life.continuation, key))
    for (const { life } of more) life.complete()
    finish()
    return taken
  },

  resume(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, (place) => crowd.manager(place).resume(own(place), { message: 'news' }))
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

  /** For comparison: what it takes of itself, whoever keeps it. */
  alone(crowd) {
    return operations.leave(crowd)
  },

  /** All of them in one turn of the machine's own timers, while the others wait for longer. */
  async expire(crowd) {
    const chosen = places(crowd.lives.length)
    const expiring = chosen.map((place) => {
      const life = parked(1)
      crowd.manager(place).stash(life.continuation, `more${place}`)
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
  map(crowd) {
    const more = places(crowd.lives.length).map((place) => ({ place, value: {}, key: `more${place}` }))
    const taken = timed(more, ({ place, value, key }) => crowd.map(place).set(key, value))
    for (const { place, key } of more) crowd.map(place).delete(key)
    return taken
  },

  unmap(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, (place) => {
      const map = crowd.map(place)
      const { line } = map.get(own(place))
      line.size--
      map.delete(own(place))
    })
    for (const place of chosen) crowd.map(place).set(own(place), { line: { size: 1 } })
    return taken
  },

  /** The first of all under one key. */
  first(crowd) {
    const chosen = places(crowd.lives.length)
    const taken = timed(chosen, (place) => crowd.manager(place).resume('all', { message: 'news' }, 1))
    finish()
    for (const place of chosen) crowd.fill(place)
    return taken
  },
}

answer({
  /** Nanoseconds of each batch by operation, by turns for few, for many, and for as many of whom few are in one manager. */
  async measure({ few, many, times }) {
    const taken = {}
    for (const [name, operation] of Object.entries(operations)) {
      const keyOf = { first: one, alone: none }[name] ?? own
      const crowds = {
        few: new Crowd(few, keyOf),
        many: new Crowd(many, keyOf),
        spread: new Crowd(many, keyOf, many / few),
      }
      taken[name] = { few: [], many: [], spread: [] }
      // the first half is for the compiler to warm to it
      for (let time = 0; time < times * 2; time++) {
        for (const [size, crowd] of Object.entries(crowds)) {
          const nanoseconds = await operation(crowd)
          if (time >= times) taken[name][size].push(nanoseconds)
        }
      }
      for (const crowd of Object.values(crowds)) crowd.end()
    }
    return taken
  },
})
