import assert from 'node:assert/strict'
import { type Continuation, lifeOf } from '../../src/core/continuation.js'
import { type Drained, drain } from '../../src/core/drain.js'
import { BareHost } from '../support/bare-host.js'
import { gate, turn } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

/** Requests on one clock, whose handlers answer at once when they are dispatched again. */
class Several {
  readonly clock = new ManualClock()
  readonly hosts: BareHost[]
  #draws = 0

  constructor(count: number, timeout = 100_000) {
    this.hosts = Array.from({ length: count }, () => {
      const host = BareHost.on(this.clock)
      // evenly over the time, in order
      Object.assign(host.policy, { random: () => this.#draws++ / count })
      host.continuation.suspend(timeout)
      void lifeOf(host.continuation).returned(true)
      return host.listening()
    })
  }

  get continuations(): Continuation[] {
    return this.hosts.map(({ continuation }) => continuation)
  }

  get phases(): string[] {
    return this.continuations.map(({ phase }) => phase)
  }

  /** Lets those who are due answer, and their sockets finish. */
  answer(): void {
    for (const host of this.hosts) {
      host.turn()
      const life = lifeOf(host.continuation)
      if (life.running) life.returned(true)
      if (['completed', 'failed'].includes(life.phase)) life.close(true)
    }
  }
}

describe('drain', () => {
  it('nobody held: is over at once', async () => {
    assert.deepEqual(await drain([], {}), { held: 0, failed: 0 })
  })

  it('lets each expire at a random moment, at the rate asked for, with its connection closing', async () => {
    const all = new Several(4)
    const draining = drain(all.continuations, { rate: 1 })
    assert.deepEqual(all.phases, ['suspended', 'suspended', 'suspended', 'suspended'])
    assert.ok(all.hosts.every(({ isClosing }) => isClosing))
    // four at one a second take four seconds
    for (const done of [1, 2, 3, 4]) {
      all.clock.advance(done === 1 ? 1 : 1_000)
      all.answer()
      assert.equal(all.phases.filter((phase) => phase === 'ended').length, done)
    }
    assert.deepEqual(await draining, { held: 4, failed: 0 })
    assert.deepEqual(all.hosts[0]?.heard, ['onTimeout', 'onComplete'])
    assert.equal(all.clock.timers, 0)
  })

  it('goes faster where the rate would take longer than half of the timeout', () => {
    const all = new Several(2)
    void drain(all.continuations, { rate: 1, timeout: 1_000 })
    all.clock.advance(250)
    all.answer()
    assert.deepEqual(all.phases, ['ended', 'ended'])
  })

  it('rate Infinity: all at once', () => {
    const all = new Several(2)
    void drain(all.continuations, { rate: Number.POSITIVE_INFINITY })
    all.clock.advance(1)
    all.answer()
    assert.deepEqual(all.phases, ['ended', 'ended'])
  })

  it('a time that is up earlier stays; one that is never up, or still runs, is up too', () => {
    const clock = new ManualClock()
    const [soon, never, running] = [BareHost.on(clock), BareHost.on(clock), BareHost.on(clock)]
    soon.continuation.suspend(10)
    void lifeOf(soon.continuation).returned(true)
    never.continuation.suspend(0)
    void lifeOf(never.continuation).returned(true)
    running.continuation.suspend(0)
    for (const host of [soon, never, running]) Object.assign(host.policy, { random: () => 1 })
    void drain([soon.continuation, never.continuation, running.continuation], { rate: 10 })
    void lifeOf(running.continuation).returned(true)
    clock.advance(10)
    assert.deepEqual([soon.continuation.isExpired(), never.continuation.isExpired()], [true, false])
    clock.advance(290)
    assert.deepEqual([never.continuation.isExpired(), running.continuation.isExpired()], [true, true])
    for (const host of [soon, never, running]) {
      host.turn()
      lifeOf(host.continuation).returned(true)
      lifeOf(host.continuation).close(true)
    }
    assert.equal(clock.timers, 0)
  })

  it('end decides when the turn has come; what it leaves undecided expires', async () => {
    const all = new Several(2)
    const [first, second] = all.continuations as [Continuation, Continuation]
    const draining = drain(all.continuations, {
      rate: Number.POSITIVE_INFINITY,
      end: (continuation) => {
        if (continuation === first) continuation.complete()
      },
    })
    all.clock.advance(1)
    assert.deepEqual([first.phase, second.phase, second.isExpired()], ['completed', 'woken', true])
    all.answer()
    assert.deepEqual(await draining, { held: 2, failed: 0 })
  })

  it('one that is decided meanwhile goes its way', async () => {
    const all = new Several(1)
    const draining = drain(all.continuations, {})
    assert.equal(all.continuations[0]?.resume(), true)
    all.answer()
    assert.deepEqual(await draining, { held: 1, failed: 0 })
    assert.equal(all.clock.timers, 0)
  })

  it('one that extends its time again and again fails with 503 before the timeout is over', async () => {
    const all = new Several(1)
    const [stubborn] = all.continuations as [Continuation]
    stubborn.addContinuationListener({ onTimeout: (continuation) => continuation.setTimeout(5_000) })
    const draining = drain(all.continuations, { timeout: 10_000 })
    all.clock.advance(8_999)
    assert.equal(stubborn.phase, 'suspended')
    all.clock.advance(1)
    assert.equal(stubborn.phase, 'failed')
    assert.equal((lifeOf(stubborn).failure as { code: string }).code, 'ERR_DRAINING')
    all.answer()
    assert.deepEqual(await draining, { held: 1, failed: 1 })
    assert.equal(all.clock.timers, 0)
  })

  it('one that was kept before it suspended is sent home too, once it has', async () => {
    for (const end of [undefined, (continuation: Continuation) => continuation.complete()]) {
      const host = new BareHost().listening()
      const { continuation, clock } = host
      const draining = drain([continuation], end === undefined ? {} : { end })
      clock.advance(2_000)
      continuation.suspend(30_000)
      void lifeOf(continuation).returned(true)
      clock.advance(1)
      assert.deepEqual(host.heard, ['onSuspend', 'onTimeout'])
      assert.equal(continuation.phase, end === undefined ? 'woken' : 'completed')
      host.turn()
      lifeOf(continuation).returned(true)
      lifeOf(continuation).close(true)
      assert.deepEqual(await draining, { held: 1, failed: 0 })
      assert.equal(clock.timers, 0)
    }
  })

  it('one that was kept before it suspended, and has not by then, keeps none of those behind it', async () => {
    const clock = new ManualClock()
    const [early, waiting] = [BareHost.on(clock), BareHost.on(clock)]
    waiting.continuation.suspend()
    void lifeOf(waiting.continuation).returned(true)
    waiting.continuation.addContinuationListener({ onTimeout: (continuation) => continuation.setTimeout(5_000) })
    const draining = drain([early.continuation, waiting.continuation], { timeout: 1_000 })
    clock.advance(900)
    assert.deepEqual([early.continuation.phase, waiting.continuation.phase], ['dispatched', 'failed'])
    for (const host of [early, waiting]) {
      host.turn()
      lifeOf(host.continuation).returned(true)
      lifeOf(host.continuation).close(true)
    }
    assert.deepEqual(await draining, { held: 2, failed: 1 })
    assert.equal(clock.timers, 0)
  })

  it('one whose answer is not taken holds it up until the timeout, and no longer', async () => {
    const all = new Several(2)
    const [host] = all.hosts as [BareHost, BareHost]
    let drained: Drained | undefined
    const draining = drain(all.continuations, { timeout: 1_000, rate: Number.POSITIVE_INFINITY }).then((result) => {
      drained = result
    })
    all.clock.advance(1)
    host.turn()
    lifeOf(host.continuation).returned(true)
    all.clock.advance(998)
    await Promise.resolve()
    assert.equal(drained, undefined)
    all.clock.advance(1)
    await draining
    assert.deepEqual(drained, { held: 2, failed: 2 })
  })

  it('is over when those are let in, too, who were put off', async () => {
    const several = new Several(1)
    const asked = gate()
    const letIn = gate()
    const letAllIn = (): Promise<void> => {
      asked.open()
      return letIn.opened
    }
    Object.assign(several.hosts[0]?.policy ?? {}, { letAllIn })
    let isOver = false
    const drained = drain(several.continuations, {}).then(() => {
      isOver = true
    })
    several.clock.advance(1)
    several.answer()
    await asked
    await turn()
    assert.equal(isOver, false)
    letIn.open()
    await drained
  })
})
