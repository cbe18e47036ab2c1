import assert from 'node:assert/strict'
import fc from 'fast-check'
import { lifeOf } from '../../src/core/continuation.js'
import { IllegalStateError } from '../../src/core/errors.js'
import { BareHost } from '../support/bare-host.js'
import { isre } from '../support/scene.js'

/**
 * A request as the contract tells it, in plain flags, beside the real one. It shares nothing with the product's table.
 */
class Model {
  running = true
  dispatches = 1
  everSuspended = false
  /** A suspension is in force: from `suspend()` or `wait()` until what decided it has acted. */
  suspension: 'none' | 'open' | 'resume' | 'complete' | 'fail' | 'disconnect' = 'none'
  inPlace = false
  cause: '' | 'R' | 'E' = ''
  /** Decided, and the dispatch (or the way out) waits for its turn. */
  queued = false
  over = false
  gone: '' | 'left' | 'finished' = ''
  ended = false
  deadline = Number.POSITIVE_INFINITY
  /** A timer runs: cleared at the turn that follows the decision, or as soon as nobody is to have a turn. */
  timer = false
  span = 100
  kept = 100
  /** What an onSuspend listener does, the next time that one is called. */
  onSuspend: Decision | 'disconnect' = 'nothing'
  heard: string[] = []

  get parked(): boolean {
    return this.suspension === 'open' && (!this.running || this.inPlace)
  }

  isre(): string {
    const latched = this.suspension !== 'none' && this.running && !this.inPlace
    return [
      this.running && this.dispatches === 1 ? 'I' : '-',
      this.parked || latched ? 'S' : '-',
      this.cause === 'R' ? 'R' : '-',
      this.cause === 'E' ? 'E' : '-',
    ].join('')
  }
}

type Real = BareHost
type Command = fc.Command<Model, Real>

abstract class Step implements Command {
  abstract readonly name: string
  check(_model: Readonly<Model>): boolean {
    return true
  }
  abstract act(model: Model, real: Real): void
  run(model: Model, real: Real): void {
    this.act(model, real)
    assert.equal(isre(real.continuation), model.isre(), `predicates after ${this}`)
    assert.deepEqual(real.heard, model.heard, `listeners after ${this}`)
    assert.equal(real.held, model.suspension === 'open' ? 1 : 0, `holds after ${this}`)
    assert.equal(real.clock.timers, model.timer ? 1 : 0, `timers after ${this}`)
    assert.equal(real.continuation.phase === 'ended', model.ended, `end after ${this}`)
    assert.equal(lifeOf(real.continuation).dispatches, model.dispatches, `dispatches after ${this}`)
  }
  toString(): string {
    return this.name
  }
}

/** What follows by itself when a handler has returned, or the socket is done. */
function endIfDone(model: Model): void {
  if (model.running || !model.over || model.queued || model.gone === '' || model.ended) return
  if (model.gone === 'left' && !model.heard.includes('onDisconnect')) model.heard.push('onDisconnect')
  model.ended = true
  model.timer = false
  model.heard.push('onComplete')
}

function startTimer(model: Model, now: number): void {
  const never = !(model.span > 0) || model.span === Number.POSITIVE_INFINITY
  model.deadline = never ? Number.POSITIVE_INFINITY : now + model.span
  model.timer = !never
}

/** It is parked, and its listeners hear of that: all of them, whatever one of them decides. */
function park(model: Model, now: number): void {
  const decision = model.onSuspend
  model.onSuspend = 'nothing'
  model.heard.push('onSuspend')
  startTimer(model, now)
  if (decision === 'nothing') return
  if (decision === 'extend') {
    model.kept = 40
    model.span = 40
    startTimer(model, now)
  } else if (decision === 'resume') {
    model.cause = 'R'
    model.suspension = 'none'
    model.queued = true
    model.heard.push('onResume')
  } else if (decision === 'disconnect') {
    model.gone = 'left'
    over(model)
    model.timer = false
    model.heard.push('onDisconnect')
  } else {
    over(model)
    model.queued = true
    if (decision === 'fail') model.heard.push('onError')
  }
}

function over(model: Model): void {
  model.over = true
  model.suspension = 'none'
}

class Suspend extends Step {
  readonly name: string
  readonly #timeout: number | undefined
  readonly #inPlace: boolean
  constructor(timeout: number | undefined, inPlace: boolean) {
    super()
    this.name = `${inPlace ? 'wait' : 'suspend'}(${timeout ?? ''})`
    this.#timeout = timeout
    this.#inPlace = inPlace
  }
  act(model: Model, real: Real): void {
    const legal = model.running && model.suspension === 'none' && !model.over && !model.queued
    const { continuation } = real
    if (this.#inPlace) continuation.wait(this.#timeout).catch(() => {})
    else if (legal) continuation.suspend(this.#timeout)
    else assert.throws(() => continuation.suspend(this.#timeout), IllegalStateError)
    if (!legal) return
    model.everSuspended = true
    model.cause = ''
    model.span = this.#timeout ?? model.kept
    model.inPlace = this.#inPlace
    model.suspension = 'open'
    if (!this.#inPlace) {
      if (model.gone === 'left') model.suspension = 'disconnect'
      return
    }
    if (model.gone === 'left') {
      over(model)
      model.heard.push('onDisconnect')
    } else if (model.gone === 'finished') {
      over(model)
      model.queued = true
    } else park(model, real.clock.now())
  }
}

class Decide extends Step {
  constructor(readonly name: 'resume' | 'complete' | 'fail') {
    super()
  }
  act(model: Model, real: Real): void {
    const call = () => (this.name === 'fail' ? real.continuation.fail(new Error()) : real.continuation[this.name]())
    if (!model.everSuspended && model.running && !model.over) {
      assert.throws(call, IllegalStateError)
      return
    }
    const wins = model.suspension === 'open'
    assert.equal(call(), wins, `${this.name}() decides`)
    if (!wins) return
    if (this.name === 'resume') model.cause = 'R'
    if (!model.parked) {
      model.suspension = this.name
      return
    }
    model.queued = true
    if (this.name === 'resume') {
      model.suspension = 'none'
      model.heard.push('onResume')
    } else {
      over(model)
      if (this.name === 'fail') model.heard.push('onError')
    }
  }
}

class Return extends Step {
  constructor(readonly name: 'return' | 'throw') {
    super()
  }
  override check(model: Readonly<Model>): boolean {
    return model.running
  }
  act(model: Model, real: Real): void {
    if (this.name === 'return') void lifeOf(real.continuation).returned(true)
    else lifeOf(real.continuation).threw(new Error(), true)
    const suspended = model.suspension !== 'none' || (model.inPlace && model.queued)
    const { suspension } = model
    model.running = false
    model.timer = false
    if (model.inPlace && (model.queued || suspension === 'open' || model.over)) {
      // the handler has left its wait(), or went on after its end
      const wasOver = model.over
      model.queued = false
      if (suspension === 'open') model.cause = ''
      if (this.name === 'throw' && !wasOver && suspended) {
        model.heard.push('onError')
      }
      over(model)
      model.inPlace = false
      endIfDone(model)
      return
    }
    model.inPlace = false
    if (this.name === 'throw') {
      if (suspended) {
        model.cause = ''
        model.heard.push('onError')
      }
      over(model)
    } else if (suspension === 'none') over(model)
    else if (suspension === 'disconnect') {
      over(model)
      model.heard.push('onDisconnect')
    } else if (suspension === 'open') {
      if (model.gone === 'finished') over(model)
      else park(model, real.clock.now())
    } else {
      model.heard.push('onSuspend')
      if (suspension === 'resume') {
        model.heard.push('onResume')
        model.suspension = 'none'
        model.queued = true
      } else {
        if (suspension === 'fail') model.heard.push('onError')
        over(model)
      }
    }
    endIfDone(model)
  }
}

class Turn extends Step {
  readonly name = 'turn'
  act(model: Model, real: Real): void {
    real.turn()
    if (!model.queued) return
    model.queued = false
    model.timer = false
    if (model.inPlace) {
      if (!model.over) model.inPlace = false
    } else if (!model.over) {
      model.running = true
      model.dispatches++
    }
    endIfDone(model)
  }
}

class Advance extends Step {
  readonly name: string
  constructor(
    readonly ms: number,
    /** What an onTimeout listener does, the first time that one is called. */
    readonly decision: Decision,
  ) {
    super()
    this.name = `advance(${ms}, ${decision})`
  }
  act(model: Model, real: Real): void {
    const end = real.clock.now() + this.ms
    let { decision } = this
    real.onTimeout = () => {
      real.onTimeout = undefined
      if (this.decision === 'extend') real.continuation.setTimeout(40)
      else if (this.decision === 'fail') real.continuation.fail(new Error())
      else if (this.decision !== 'nothing') assert.equal(real.continuation[this.decision](), true)
    }
    real.clock.advance(this.ms)
    real.onTimeout = undefined
    assert.deepEqual(real.reported, [])
    if (model.deadline <= end) model.timer = false
    while (model.parked && model.deadline <= end) {
      model.timer = false
      model.heard.push('onTimeout')
      if (decision === 'extend') {
        model.kept = 40
        model.span = 40
        startTimer(model, model.deadline)
      } else if (decision === 'complete' || decision === 'fail') {
        over(model)
        if (decision === 'fail') model.heard.push('onError')
        model.queued = true
      } else {
        model.cause = 'E'
        model.suspension = 'none'
        model.queued = true
      }
      decision = 'nothing'
    }
  }
}

type Decision = 'nothing' | 'resume' | 'complete' | 'fail' | 'extend'

/** The next onSuspend listener does this, the first of all that hear it. */
class OnSuspend extends Step {
  readonly name: string
  constructor(readonly decision: Decision | 'disconnect') {
    super()
    this.name = `onSuspend(${decision})`
  }
  act(model: Model, real: Real): void {
    model.onSuspend = this.decision
    real.onSuspend = () => {
      const { continuation } = real
      // a decision from before the return is told here, too, and stands
      if (continuation.phase !== 'parking') return
      real.onSuspend = undefined
      if (this.decision === 'extend') continuation.setTimeout(40)
      else if (this.decision === 'disconnect') lifeOf(continuation).close(false)
      else if (this.decision === 'fail') assert.equal(continuation.fail(new Error()), true)
      else if (this.decision !== 'nothing') assert.equal(continuation[this.decision](), true)
    }
  }
}

class SetTimeout extends Step {
  readonly name: string
  constructor(readonly ms: number) {
    super()
    this.name = `setTimeout(${ms})`
  }
  act(model: Model, real: Real): void {
    real.continuation.setTimeout(this.ms)
    model.kept = this.ms
    model.span = this.ms
    if (model.parked) startTimer(model, real.clock.now())
  }
}

class Close extends Step {
  constructor(readonly name: 'disconnect' | 'finish') {
    super()
  }
  act(model: Model, real: Real): void {
    lifeOf(real.continuation).close(this.name === 'finish')
    if (model.gone !== '') return
    model.gone = this.name === 'finish' ? 'finished' : 'left'
    if (this.name === 'finish') {
      if (model.parked) {
        over(model)
        model.queued = true
        // the end does not wait for the turn: there is nothing left to send
        if (!model.running) model.queued = false
      }
    } else if (model.parked) {
      over(model)
      model.timer = false
      model.heard.push('onDisconnect')
    } else if (model.suspension === 'open') model.suspension = 'disconnect'
    if (model.over && !model.running) model.queued = false
    endIfDone(model)
  }
}

const commands = [
  fc.constantFrom(undefined, 50, 0, Number.POSITIVE_INFINITY).map((timeout) => new Suspend(timeout, false)),
  fc.constantFrom(undefined, 50, 0).map((timeout) => new Suspend(timeout, true)),
  fc.constantFrom('resume' as const, 'complete' as const, 'fail' as const).map((name) => new Decide(name)),
  fc.constant(new Return('return')),
  fc.constant(new Return('return')),
  fc.constant(new Return('throw')),
  fc.constant(new Turn()),
  fc.constant(new Turn()),
  fc
    .tuple(fc.constantFrom(10, 50, 100), fc.constantFrom<Decision>('nothing', 'resume', 'complete', 'fail', 'extend'))
    .map(([ms, decision]) => new Advance(ms, decision)),
  fc
    .constantFrom<Decision | 'disconnect'>('resume', 'complete', 'fail', 'extend', 'disconnect')
    .map((decision) => new OnSuspend(decision)),
  fc.constantFrom(0, 30, 120, Number.POSITIVE_INFINITY).map((ms) => new SetTimeout(ms)),
  fc.constantFrom('disconnect' as const, 'finish' as const).map((name) => new Close(name)),
]

/** Random calls, timers and disconnects, against the model. */
export function compareWithModel(numRuns: number, seed?: number): void {
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 25 }), (steps) => {
      fc.modelRun(() => ({ model: new Model(), real: new BareHost().listening() }), steps)
    }),
    seed === undefined ? { numRuns } : { numRuns, seed },
  )
}
