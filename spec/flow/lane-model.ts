import assert from 'node:assert/strict'
import fc from 'fast-check'
import { lifeOf } from '../../src/core/continuation.js'
import { Lane } from '../../src/flow/lane.js'
import { returnWhen } from '../../src/flow/return-when.js'
import { BareHost } from '../support/bare-host.js'
import { turn } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Errand, errand } from './errand.js'

// A lane and the requests that wait for its jobs, told in the plainest words, to be compared with the product.

const concurrency = 2
const maxWaiting = 2
const timeout = 70
const grace = 30
const suspension = 100

interface ModelJob {
  readonly name: string
  readonly owner: ModelRequest
  readonly priority: number
  /** It gives up as soon as its signal is aborted. */
  readonly obeys: boolean
  stands: 'in line' | 'running' | 'cancelled' | 'abandoned' | 'over'
  aborted: boolean
  timer: Timer | undefined
}

interface ModelRequest {
  readonly id: number
  at: 'handler' | 'parked' | 'woken' | 'over'
  left: boolean
  cause: '' | 'R' | 'E'
  timer: Timer | undefined
  readonly pending: Set<ModelJob>
  readonly said: Map<string, 'fulfilled' | 'rejected'>
}

interface Timer {
  readonly at: number
  readonly fire: () => unknown
}

class Model {
  now = 0
  readonly timers: Timer[] = []
  readonly requests: ModelRequest[] = []
  readonly jobs: ModelJob[] = []
  readonly begun: string[] = []
  #line: ModelJob[] = []
  /** Those that obey their signal, and will settle when the others have had their say. */
  #obeying: ModelJob[] = []

  get stats(): object {
    const count = (...stands: string[]): number => this.jobs.filter((job) => stands.includes(job.stands)).length
    return { running: count('running', 'cancelled'), waiting: count('in line'), abandoned: count('abandoned') }
  }

  #timer(ms: number, fire: () => unknown): Timer {
    const timer = { at: this.now + ms, fire }
    this.timers.push(timer)
    return timer
  }

  #stop(timer: Timer | undefined): undefined {
    const place = timer === undefined ? -1 : this.timers.indexOf(timer)
    if (place >= 0) this.timers.splice(place, 1)
  }

  get #places(): number {
    return this.jobs.filter(({ stands }) => stands === 'running' || stands === 'cancelled').length
  }

  get hasRoom(): boolean {
    return (this.#places < concurrency && this.#line.length === 0) || this.#line.length < maxWaiting
  }

  /** @returns whether there was room */
  take(owner: ModelRequest, name: string, priority: number, obeys: boolean): boolean {
    if (!this.hasRoom) return false
    const atOnce = this.#places < concurrency && this.#line.length === 0
    const job: ModelJob = { name, owner, priority, obeys, stands: 'in line', aborted: false, timer: undefined }
    this.jobs.push(job)
    owner.pending.add(job)
    owner.said.delete(name)
    this.#line.push(job)
    this.#line.sort((one, other) => other.priority - one.priority)
    if (atOnce) this.#next()
    return true
  }

  #next(): void {
    while (this.#places < concurrency) {
      const job = this.#line.shift()
      if (job === undefined) return
      job.stands = 'running'
      this.begun.push(job.name)
      job.timer = this.#timer(timeout, () => {
        this.#abort(job)
        this.#tell(job, 'rejected')
      })
    }
  }

  #abort(job: ModelJob): void {
    job.stands = 'cancelled'
    job.aborted = true
    job.timer = this.#stop(job.timer)
    job.timer = this.#timer(grace, () => {
      job.stands = 'abandoned'
      this.#next()
    })
    if (job.obeys) this.#obeying.push(job)
  }

  settle(job: ModelJob, how: 'fulfilled' | 'rejected'): void {
    const { stands } = job
    job.timer = this.#stop(job.timer)
    job.stands = 'over'
    if (stands !== 'abandoned') this.#next()
    if (stands === 'running') this.#tell(job, how)
  }

  flush(): void {
    for (const job of this.#obeying.splice(0)) if (job.stands !== 'over') this.settle(job, 'rejected')
  }

  #tell(job: ModelJob, how: 'fulfilled' | 'rejected'): void {
    const { owner } = job
    owner.pending.delete(job)
    owner.said.set(job.name, how)
    if (owner.pending.size === 0 && owner.at === 'parked') this.decide(owner, 'R')
  }

  /** The suspension of this request is over: for `R` and `E` it is dispatched again. */
  decide(request: ModelRequest, how: 'R' | 'E' | 'end'): void {
    if (how !== 'R') this.wake(request)
    request.at = how === 'end' ? 'over' : 'woken'
    request.cause = how === 'end' ? '' : how
    for (const job of request.pending) {
      request.said.set(job.name, 'rejected')
      if (job.stands === 'running') this.#abort(job)
      else {
        job.stands = 'over'
        this.#line = this.#line.filter((other) => other !== job)
      }
    }
    request.pending.clear()
  }

  /** Its turn has come, or there will be none: only now its timer is cleared. */
  wake(request: ModelRequest): void {
    request.timer = this.#stop(request.timer)
  }

  /** The handler has returned, or thrown. */
  left(request: ModelRequest, how: 'suspended' | 'answered' | 'thrown'): void {
    if (how !== 'suspended' || request.left) this.decide(request, 'end')
    else {
      request.at = 'parked'
      request.cause = ''
      request.timer = this.#timer(suspension, () => request.at === 'parked' && this.decide(request, 'E'))
      if (request.pending.size === 0) this.decide(request, 'R')
    }
  }

  advance(ms: number): void {
    this.now += ms
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= this.now).sort((one, other) => one.at - other.at)[0]
      if (due === undefined) return
      this.#stop(due)
      due.fire()
    }
  }
}

class Real {
  readonly clock = new ManualClock()
  readonly lane = new Lane('database', { concurrency, maxWaiting, timeout, grace }, { clock: this.clock })
  readonly hosts: BareHost[] = []
  readonly jobs = new Map<string, Errand>()
  readonly begun: string[] = []

  /** Asks for a job as a handler does. */
  take(host: BareHost, name: string, priority: number, obeys: boolean): void {
    const made = errand(() => {
      this.begun.push(name)
      if (obeys) made.signal?.addEventListener('abort', () => made.fail(new Error('obeyed')))
    })
    this.jobs.set(name, made)
    returnWhen(host.continuation, this.lane, made.job, { as: name, priority })
  }
}

abstract class Step implements fc.AsyncCommand<Model, Real> {
  abstract readonly name: string
  abstract act(model: Model, real: Real): void
  check(_model: Readonly<Model>): boolean {
    return true
  }
  async run(model: Model, real: Real): Promise<void> {
    this.act(model, real)
    await settled(model)
    assert.deepEqual(real.lane.stats, model.stats, `places after ${this}`)
    assert.deepEqual(real.begun, model.begun, `order after ${this}`)
    assert.equal(real.clock.timers, model.timers.length, `timers after ${this}`)
    for (const { name, aborted } of model.jobs) {
      assert.equal(real.jobs.get(name)?.aborted !== undefined, aborted, `signal of ${name} after ${this}`)
    }
    for (const { id, at, cause, said } of model.requests) {
      const { continuation } = real.hosts[id] as BareHost
      const phases = { handler: ['dispatched'], parked: ['suspended'], woken: ['woken'] }[at as 'parked'] ?? over
      assert.ok(phases.includes(continuation.phase), `${id} is ${continuation.phase}, not ${at}, after ${this}`)
      const is = `${continuation.isResumed() ? 'R' : ''}${continuation.isExpired() ? 'E' : ''}`
      if (at === 'woken' || at === 'parked') assert.equal(is, cause, `predicates of ${id} after ${this}`)
      for (const [name, how] of said) {
        const attribute = continuation.getAttribute(name) as PromiseSettledResult<unknown> | undefined
        assert.equal(attribute?.status, how, `what is said of ${name} after ${this}`)
      }
    }
  }
  toString(): string {
    return this.name
  }
}

const over = ['completed', 'failed', 'aborted', 'ended']

/** Lets promise jobs run, in both, and the event loop turn: time that stands still there must not look like one long turn. */
async function settled(model: Model): Promise<void> {
  await turn()
  model.flush()
}

interface Asked {
  readonly priority: number
  readonly obeys: boolean
}

/** A handler runs: it asks for jobs, and returns, or throws where there is no room. */
function dispatch(model: Model, real: Real, request: ModelRequest, asked: readonly Asked[]): void {
  const host = real.hosts[request.id] as BareHost
  const life = lifeOf(host.continuation)
  let room = true
  for (const [place, { priority, obeys }] of asked.entries()) {
    const name = `${request.id}.${request.said.size}.${place}`
    room = request.left ? model.hasRoom : model.take(request, name, priority, obeys)
    if (room) real.take(host, name, priority, obeys)
    else assert.throws(() => real.take(host, name, priority, obeys), { code: 'ERR_LANE_FULL' })
    if (!room) break
  }
  if (!room) life.threw(new Error('no room'), true)
  else void life.returned(true)
  model.left(request, !room ? 'thrown' : asked.length > 0 ? 'suspended' : 'answered')
}

class Arrive extends Step {
  readonly name: string
  constructor(readonly asked: readonly Asked[]) {
    super()
    this.name = `arrive(${asked.map(({ priority, obeys }) => `${priority}${obeys ? '' : '!'}`)})`
  }
  act(model: Model, real: Real): void {
    const request: ModelRequest = {
      id: model.requests.length,
      at: 'handler',
      left: false,
      cause: '',
      timer: undefined,
      pending: new Set(),
      said: new Map(),
    }
    model.requests.push(request)
    real.hosts.push(new BareHost(real.clock))
    dispatch(model, real, request, this.asked)
  }
}

class Settle extends Step {
  readonly name: string
  constructor(
    readonly which: number,
    readonly how: 'fulfilled' | 'rejected',
  ) {
    super()
    this.name = `settle(${which}, ${how})`
  }
  #open(model: Readonly<Model>): ModelJob[] {
    return model.jobs.filter(({ stands }) => ['running', 'cancelled', 'abandoned'].includes(stands))
  }
  override check(model: Readonly<Model>): boolean {
    return this.#open(model).length > 0
  }
  act(model: Model, real: Real): void {
    const open = this.#open(model)
    const job = open[this.which % open.length] as ModelJob
    const made = real.jobs.get(job.name) as Errand
    if (this.how === 'fulfilled') made.done(job.name)
    else made.fail(new Error(job.name))
    model.settle(job, this.how)
  }
}

/** Those that are woken have their turn; each may ask for more. */
class Turn extends Step {
  readonly name: string
  constructor(readonly again: readonly Asked[]) {
    super()
    this.name = `turn(${again.map(({ priority }) => priority)})`
  }
  act(model: Model, real: Real): void {
    for (const request of model.requests) {
      if (request.at !== 'woken') continue
      const host = real.hosts[request.id] as BareHost
      assert.equal(host.woken.length, 1)
      host.turn()
      model.wake(request)
      assert.equal(lifeOf(host.continuation).running, true)
      dispatch(model, real, request, this.again)
    }
  }
}

class Advance extends Step {
  readonly name: string
  constructor(readonly ms: number) {
    super()
    this.name = `advance(${ms})`
  }
  act(): void {}
  override async run(model: Model, real: Real): Promise<void> {
    // in steps from timer to timer: what obeys its signal settles in between
    for (let left = this.ms; left > 0; ) {
      const step = Math.min(left, real.clock.next ?? left)
      left -= step
      real.clock.advance(step)
      model.advance(step)
      await settled(model)
      if (step === 0) break
    }
    await super.run(model, real)
  }
}

abstract class ToOne extends Step {
  constructor(readonly which: number) {
    super()
  }
  override check(model: Readonly<Model>): boolean {
    return model.requests.length > 0
  }
  one(model: Model, real: Real): { request: ModelRequest; host: BareHost } {
    const request = model.requests[this.which % model.requests.length] as ModelRequest
    return { request, host: real.hosts[request.id] as BareHost }
  }
}

class Leave extends ToOne {
  readonly name = `leave(${this.which})`
  act(model: Model, real: Real): void {
    const { request, host } = this.one(model, real)
    lifeOf(host.continuation).close(false)
    request.left = true
    if (request.at === 'parked') model.decide(request, 'end')
  }
}

class Resume extends ToOne {
  readonly name = `resume(${this.which})`
  act(model: Model, real: Real): void {
    const { request, host } = this.one(model, real)
    assert.equal(host.continuation.resume(), request.at === 'parked')
    if (request.at === 'parked') model.decide(request, 'R')
  }
}

const asked = fc.record({ priority: fc.integer({ min: -1, max: 1 }), obeys: fc.boolean() })
const which = fc.nat({ max: 20 })
const commands = [
  fc.array(asked, { minLength: 1, maxLength: 3 }).map((asked) => new Arrive(asked)),
  fc.array(asked, { minLength: 1, maxLength: 2 }).map((asked) => new Arrive(asked)),
  fc
    .tuple(which, fc.constantFrom('fulfilled' as const, 'rejected' as const))
    .map(([which, how]) => new Settle(which, how)),
  which.map((which) => new Settle(which, 'fulfilled')),
  fc.array(asked, { maxLength: 2 }).map((asked) => new Turn(asked)),
  fc.constantFrom(10, 30, 70, 100).map((ms) => new Advance(ms)),
  which.map((which) => new Leave(which)),
  which.map((which) => new Resume(which)),
]

/** Random requests, jobs, timers and disconnects, against the model. */
export async function compareLanesWithModel(numRuns: number, seed?: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 30 }), (steps) =>
      fc.asyncModelRun(() => ({ model: new Model(), real: new Real() }), steps),
    ),
    seed === undefined ? { numRuns } : { numRuns, seed },
  )
}
