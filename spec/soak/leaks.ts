// Requests that are suspended, resumed, expired, completed, failed, left and waited for, mixed, over HTTP: does anything stay?
// `npx tsx --expose-gc spec/soak/leaks.ts [cycles] [at once]`
import { Agent } from 'node:http'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import Koa from 'koa'
import { type Clock, systemClock } from '../../src/core/clock.js'
import { HoldCount } from '../../src/core/hold-count.js'
import { ContinuationManager, continuations } from '../../src/index.js'
import { collect } from '../support/collected.js'
import { turn } from '../support/gate.js'
import { type Asking, serve } from '../support/serve.js'
import { cycles, type World } from './cycles.js'

/** What has stayed. Nothing may: every number is to be 0, every list empty. */
export interface Left {
  /** Continuations in managers. */
  waiting: number
  /** Keys under which managers keep a place. */
  keys: number
  /** Holds that count against a limit. */
  held: number
  /** Timers that are set. */
  timers: number
  /** Continuations that did not hear `onComplete`, or more than once. */
  unended: number
  /** Connections that the server has and the clients have not. */
  connections: number
  /** Listeners on idle connections, beside those on one that has served plain requests only. */
  socketListeners: string[]
  /** Listeners for the end of a response that has ended. */
  responseListeners: number
  /** Contexts that cannot be collected. */
  contexts: number
  /** Answers that were not what the cycle's client is to get. */
  wrong: string[]
}

export interface Soak {
  readonly left: Left
  /** Bytes of heap in use after a collection, at every tenth of the way. */
  readonly heap: number[]
}

/** The machine's time, with the timers counted. */
class CountingClock implements Clock {
  readonly #set = new Set<{ timer?: unknown }>()
  now = systemClock.now
  nextTurn = systemClock.nextTurn
  afterJobs = systemClock.afterJobs

  setTimeout<T>(callback: (argument: T) => void, ms: number, argument: T): unknown {
    const handle: { timer?: unknown } = {}
    const fire = (argument: T): void => {
      this.#set.delete(handle)
      callback(argument)
    }
    handle.timer = systemClock.setTimeout(fire, ms, argument)
    this.#set.add(handle)
    return handle
  }

  clearTimeout(handle: unknown): void {
    this.#set.delete(handle as { timer?: unknown })
    systemClock.clearTimeout((handle as { timer?: unknown }).timer)
  }

  get timers(): number {
    return this.#set.size
  }
}

/** Every count of holds that somebody enters from here on. */
function watchCounts(): { readonly seen: Set<HoldCount>; stop(): void } {
  const seen = new Set<HoldCount>()
  const { enter } = HoldCount.prototype
  HoldCount.prototype.enter = function (...entering) {
    seen.add(this)
    enter.apply(this, entering)
  }
  return { seen, stop: () => Object.assign(HoldCount.prototype, { enter }) }
}

/** Sends `count` requests through the cycles by turns, `atOnce` at a time. */
export async function soak(count: number, atOnce: number): Promise<Soak> {
  const clock = new CountingClock()
  const counts = watchCounts()
  const managers = {
    manager: new ContinuationManager(),
    replacing: new ContinuationManager({ second: 'replace', limits: { perClient: 10 } }),
    full: new ContinuationManager({ limits: { total: 0 } }),
  }
  const asking = new Map<string, Asking>()
  const world: World = { ...managers, leave: (ctx) => asking.get(ctx.path)?.request.destroy() }
  const left: Left = {
    waiting: 0,
    keys: 0,
    held: 0,
    timers: 0,
    unended: 0,
    connections: 0,
    socketListeners: [],
    responseListeners: 0,
    contexts: 0,
    wrong: [],
  }
  const collected = new FinalizationRegistry<void>(() => left.contexts--)

  const app = new Koa()
  app.use((ctx, next) => {
    left.contexts++
    collected.register(ctx, undefined)
    ctx.res.once('close', () => setImmediate(() => (left.responseListeners += ctx.res.listenerCount('close'))))
    return next()
  })
  app.use(continuations({ clock, clientId: (ctx) => ctx.path }))
  app.use((ctx) => {
    const cycle = cycles[Number(ctx.path.slice(1)) % cycles.length]
    if (cycle?.name !== 'plain' && ctx.continuation.isInitial()) {
      left.unended++
      ctx.continuation.addContinuationListener({ onComplete: () => left.unended-- })
    }
    return cycle?.handle(ctx, world)
  })

  const served = await serve(app)
  const sockets = new Set<Socket>()
  served.server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })

  const ask = async (place: number): Promise<void> => {
    const { name, method = 'GET', status, either } = cycles[place % cycles.length] ?? { name: 'none' }
    const path = `/${place}`
    const asked = served.ask(method, path, { agent, ...(method === 'POST' && { body: 'x'.repeat(1_000) }) })
    asking.set(path, asked)
    const got = await asked.then(
      (answer) => answer.status,
      () => undefined,
    )
    asking.delete(path)
    if (got !== status && !either && left.wrong.length < 10) left.wrong.push(`${name}: ${got}, not ${status}`)
  }

  // what an idle connection has when the package was not concerned
  await ask(0)
  await turn()
  const plain = listenersOf([...sockets][0])

  const heap: number[] = []
  let place = 0
  for (let tenth = 1; tenth <= 10; tenth++) {
    const end = Math.floor((count * tenth) / 10)
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (place < end) await ask(place++)
      }),
    )
    served.errors.length = 0
    await settled(() => left.unended === 0 && sockets.size <= openOf(agent))
    collect()
    heap.push(process.memoryUsage().heapUsed)
  }

  for (const manager of Object.values(managers)) {
    left.waiting += manager.size
    left.keys += [...manager.keys()].length
  }
  for (const { size } of counts.seen) left.held += size
  left.timers = clock.timers
  left.connections = Math.max(0, sockets.size - openOf(agent))
  left.socketListeners = [...new Set([...sockets].map(listenersOf))].filter((listeners) => listeners !== plain)
  counts.stop()
  agent.destroy()
  await served.close()
  await settled(() => {
    collect()
    return left.contexts === 0
  })
  return { left, heap }
}

/** How often what is listened to on a socket. */
function listenersOf(socket: Socket | undefined): string {
  const names = socket?.eventNames() ?? []
  return names.map((name) => `${String(name)} ×${socket?.listenerCount(name)}`).join(', ')
}

function openOf(agent: Agent): number {
  const all = [...Object.values(agent.sockets), ...Object.values(agent.freeSockets)]
  return all.reduce((open, some) => open + (some?.length ?? 0), 0)
}

/** Gives what is under way its turns: it is done before the bound, or never. */
async function settled(fact: () => boolean): Promise<void> {
  for (let turns = 0; turns < 1_000 && !fact(); turns++) await turn()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = 100_000, atOnce = 64] = process.argv.slice(2).map(Number)
  const began = performance.now()
  const timersBefore = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const { left, heap } = await soak(count, atOnce)
  const timersAfter = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const [first = 0, last = 0] = [heap[0], heap.at(-1)]
  const growth = (last - first) / (count * 0.9)
  console.log(`Node ${process.version}, ${count} requests, ${atOnce} at once, through ${cycles.length} ways by turns, \
${Math.round(performance.now() - began)} ms`)
  console.log(`heap in MB at every tenth: ${heap.map((bytes) => (bytes / 1_048_576).toFixed(1)).join(' ')}`)
  console.log(
    `from the first tenth to the last ${growth.toFixed(1)} bytes a request; active timers ${timersBefore}, then ${timersAfter}`,
  )
  console.log('what has stayed', left)
  const stayed = Object.values(left).some((value) => (Array.isArray(value) ? value.length > 0 : value !== 0))
  process.exit(stayed || growth > 30 || timersAfter > timersBefore ? 1 : 0)
}
