import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import fc from 'fast-check'
import Koa from 'koa'
import compose from 'koa-compose'
import { type Qos, qos } from '../../src/flow/qos.js'
import { suspendable } from '../../src/index.js'
import { type Gate, gate, turn } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

const LIMIT = 2
const MOST_WAITING = 3
const TIMEOUT = 100

/** A request as the page tells of it. It shares nothing with the product. */
interface Told {
  readonly name: number
  readonly priority: number
  state: 'waits' | 'runs' | 'parked' | 'goes on' | 'runs without' | 'over'
  /** How it ended. */
  end?: 'served' | 'thrown' | 'refused' | 'expired' | 'left'
  arrival: number
  deadline: number
  gone: boolean
  /** It was told so by a `wait()`: there is nothing more to wait for. */
  told: boolean
}

class Model {
  readonly all: Told[] = []
  now = 0
  arrivals = 0

  having(state: Told['state']): Told[] {
    return this.all.filter((one) => one.state === state)
  }

  get line(): Told[] {
    const urgency = ({ state, priority }: Told): number => (state === 'goes on' ? Number.POSITIVE_INFINITY : priority)
    return this.all
      .filter(({ state }) => state === 'waits' || state === 'goes on')
      .sort((one, other) =>
        urgency(one) === urgency(other) ? one.arrival - other.arrival : urgency(one) > urgency(other) ? -1 : 1,
      )
  }

  get hasRoom(): boolean {
    return this.having('runs').length < LIMIT
  }

  queue(one: Told, state: 'waits' | 'goes on'): void {
    one.state = this.hasRoom ? 'runs' : state
    one.arrival = this.arrivals++
    one.deadline = this.now + TIMEOUT
  }

  goOn(one: Told): void {
    one.told = one.gone
    // whose client has left takes no place up any more, and waits for none
    if (one.gone) one.state = 'runs without'
    else this.queue(one, 'goes on')
  }

  over(one: Told, end: Told['end'] & string): void {
    one.state = 'over'
    one.end = end
    this.fill()
  }

  fill(): void {
    for (let [next] = this.line; next !== undefined && this.hasRoom; [next] = this.line) next.state = 'runs'
  }
}

type Order = 'return' | 'throw' | 'park'

/** The same request in the product. */
interface Lived {
  readonly ctx: Koa.Context
  /** Its handler waits there for what to do, while it runs. */
  at: Gate<Order> | undefined
  end: Told['end'] | undefined
}

class Real {
  readonly clock = new ManualClock()
  readonly limit: Qos = qos({
    maxRequests: LIMIT,
    maxSuspended: MOST_WAITING,
    timeout: TIMEOUT,
    clock: this.clock,
    priority: (ctx) => ctx.state['priority'],
  })
  readonly #app = new Koa()
  readonly all: Lived[] = []
  readonly #run = compose([
    this.limit,
    suspendable(async (ctx) => {
      const lived = this.all[ctx.state['name']] as Lived
      for (;;) {
        lived.at = gate<Order>()
        const order = await lived.at
        lived.at = undefined
        if (order === 'throw') throw new Error('thrown')
        if (order === 'return') break
        await ctx.continuation.wait(0)
      }
      lived.end = 'served'
    }),
  ])

  arrive(priority: number): void {
    const req = new IncomingMessage(new Socket())
    const ctx = this.#app.createContext(req, new ServerResponse(req)) as unknown as Koa.Context
    Object.assign(ctx.state, { name: this.all.length, priority })
    const lived: Lived = { ctx, at: undefined, end: undefined }
    this.all.push(lived)
    this.#run(ctx, async () => {}).then(
      () => {
        lived.end ??= 'left'
      },
      (error: Error & { code?: string }) => {
        const ends: Record<string, Told['end'] & string> = { ERR_SUSPENSION_LIMIT: 'refused', ERR_OVERLOAD: 'expired' }
        lived.end = ends[error.code ?? ''] ?? 'thrown'
      },
    )
  }

  leave(name: number): void {
    const { res } = (this.all[name] as Lived).ctx
    Object.assign(res, { destroyed: true })
    res.emit('close')
  }
}

type Command = fc.AsyncCommand<Model, Real>

abstract class Step implements Command {
  abstract readonly name: string
  check(_model: Readonly<Model>): boolean {
    return true
  }
  abstract act(model: Model, real: Real): void
  async run(model: Model, real: Real): Promise<void> {
    this.act(model, real)
    // a turn for those that take a place over, and one for those that are woken
    for (let turns = 0; turns < 3; turns++) await turn()
    for (const { name, state, end } of model.all) {
      const lived = real.all[name] as Lived
      assert.equal(lived.at !== undefined, state === 'runs' || state === 'runs without', `${name} runs after ${this}`)
      assert.equal(lived.end, end, `how ${name} ended after ${this}`)
    }
    assert.equal(real.limit.running, model.having('runs').length, `running after ${this}`)
    assert.equal(real.limit.suspended, model.line.length, `suspended after ${this}`)
    assert.equal(real.clock.timers, model.line.length, `timers after ${this}`)
  }
  toString(): string {
    return this.name
  }
}

class Arrive extends Step {
  readonly name: string
  constructor(readonly priority: number) {
    super()
    this.name = `arrive(${priority})`
  }
  act(model: Model, real: Real): void {
    const { priority } = this
    const one: Told = {
      name: model.all.length,
      priority,
      state: 'over',
      arrival: 0,
      deadline: 0,
      gone: false,
      told: false,
    }
    const last = model.line.at(-1)
    if (model.hasRoom || model.having('waits').length < MOST_WAITING) model.queue(one, 'waits')
    else if (last !== undefined && last.state === 'waits' && last.priority < priority) {
      model.over(last, 'refused')
      model.queue(one, 'waits')
    } else one.end = 'refused'
    model.all.push(one)
    real.arrive(priority)
  }
}

/** Something that happens to one of those in a state. */
abstract class ToOne extends Step {
  abstract readonly states: readonly Told['state'][]
  constructor(readonly which: number) {
    super()
  }
  #of(model: Readonly<Model>): Told[] {
    return model.all.filter(({ state, gone }) => this.states.includes(state) && !(gone && this instanceof Leave))
  }
  override check(model: Readonly<Model>): boolean {
    return this.#of(model).length > 0
  }
  act(model: Model, real: Real): void {
    const some = this.#of(model)
    const one = some[this.which % some.length] as Told
    this.to(one, model, real)
  }
  abstract to(one: Told, model: Model, real: Real): void
  override toString(): string {
    return `${this.name}(${this.which})`
  }
}

class Finish extends ToOne {
  readonly states = ['runs', 'runs without'] as const
  constructor(
    which: number,
    readonly name: 'return' | 'throw',
  ) {
    super(which)
  }
  to(one: Told, model: Model, real: Real): void {
    model.over(one, this.name === 'throw' ? 'thrown' : 'served')
    real.all[one.name]?.at?.open(this.name)
  }
}

class Park extends ToOne {
  readonly name = 'park'
  readonly states = ['runs', 'runs without'] as const
  to(one: Told, model: Model, real: Real): void {
    if (one.told) model.over(one, 'thrown')
    else {
      one.state = 'parked'
      model.fill()
      // whose client has left does not wait: it goes on at once
      if (one.gone) model.goOn(one)
    }
    real.all[one.name]?.at?.open('park')
  }
}

class Resume extends ToOne {
  readonly name = 'resume'
  readonly states = ['parked'] as const
  to(one: Told, model: Model, real: Real): void {
    model.goOn(one)
    assert.equal(real.all[one.name]?.ctx.continuation.resume(), true)
  }
}

class Leave extends ToOne {
  readonly name = 'leave'
  readonly states = ['waits', 'runs', 'parked', 'goes on'] as const
  to(one: Told, model: Model, real: Real): void {
    one.gone = true
    if (one.state === 'waits') model.over(one, 'left')
    if (one.state === 'parked') model.goOn(one)
    if (one.state === 'goes on') one.state = 'runs without'
    real.leave(one.name)
  }
}

class Advance extends Step {
  readonly name: string
  constructor(readonly ms: number) {
    super()
    this.name = `advance(${ms})`
  }
  act(model: Model, real: Real): void {
    model.now += this.ms
    for (const one of model.line) if (one.deadline <= model.now) model.over(one, 'expired')
    real.clock.advance(this.ms)
  }
}

const which = fc.nat(20)
const arrive = fc.constantFrom(0, 0, 1, 2, -1).map((priority) => new Arrive(priority))
const commands = [
  arrive,
  arrive,
  arrive,
  fc.tuple(which, fc.constantFrom('return' as const, 'throw' as const)).map(([n, how]) => new Finish(n, how)),
  which.map((n) => new Park(n)),
  which.map((n) => new Resume(n)),
  which.map((n) => new Leave(n)),
  fc.constantFrom(1, 50, 100).map((ms) => new Advance(ms)),
]

/** Random arrivals, ends, parks, disconnects and time, against the model. */
export async function compareQosWithModel(numRuns: number, seed?: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (steps) => {
      await fc.asyncModelRun(() => ({ model: new Model(), real: new Real() }), steps)
    }),
    seed === undefined ? { numRuns } : { numRuns, seed },
  )
}
