import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { Lane, type LaneOptions } from '../../src/flow/lane.js'
import { turn } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Errand, errand } from './errand.js'

const soon = Promise.resolve()

describe('Lane', () => {
  let clock: ManualClock
  let begun: string
  beforeEach(() => {
    clock = new ManualClock()
    begun = ''
  })
  afterEach(() => assert.equal(clock.timers, 0))

  const lane = (options: Partial<LaneOptions> = {}): Lane =>
    new Lane('database', { concurrency: 1, ...options }, { clock, random: () => 0.5 })
  const named = (name: string): Errand => errand(() => (begun += name))

  /** What a promise has come to by now: its value, its error's code or message, or nothing yet. */
  async function now(promise: Promise<unknown>): Promise<unknown> {
    const pending = Symbol('pending')
    for (let jobs = 0; jobs < 30; jobs++) await soon
    const value = await Promise.race([promise, pending]).catch((error) => error.code ?? error.message ?? error)
    return value === pending ? undefined : value
  }

  it('runs as many at once as it says, and the others in order as places come free', async () => {
    const one = lane({ concurrency: 2 })
    const jobs = [...'abcd'].map(named) as [Errand, Errand, Errand, Errand]
    const running = jobs.map(({ job }) => one.run(job))
    assert.equal(begun, 'ab')
    assert.deepEqual(one.stats, { running: 2, waiting: 2, abandoned: 0 })
    jobs[1].done('B')
    assert.equal(await running[1], 'B')
    assert.equal(begun, 'abc')
    jobs[0].done('A')
    jobs[2].done('C')
    jobs[3].done('D')
    assert.deepEqual(await Promise.all(running), ['A', 'B', 'C', 'D'])
    assert.deepEqual(one.stats, { running: 0, waiting: 0, abandoned: 0 })
  })

  it('the higher priority first, then in order of asking', async () => {
    const one = lane()
    const jobs = [...'abcde'].map(named)
    const running = jobs.map(({ job }, place) => one.run(job, { priority: [0, 0, 5, -1, 5][place] }))
    for (const { done } of jobs) done(1)
    await Promise.all(running)
    assert.equal(begun, 'acebd')
  })

  it('whatever a job does, its place is free when it is through, and its error is the caller’s', async () => {
    const one = lane()
    const ends: [string, () => unknown][] = [
      [
        'at once',
        () => {
          throw new Error('at once')
        },
      ],
      ['later', () => Promise.reject(new Error('later'))],
      ['odd', () => Promise.reject('odd')],
      // biome-ignore lint/suspicious/noThenProperty: this is the case
      ['then', () => ({ then: (_: unknown, reject: (error: Error) => void) => reject(new Error('then')) })],
    ]
    const running = ends.map(([, job]) => one.run(job))
    const after = one.run(() => 'fine')
    assert.deepEqual(
      await Promise.all(running.map(now)),
      ends.map(([message]) => message),
    )
    assert.equal(await after, 'fine')
    assert.deepEqual(one.stats, { running: 0, waiting: 0, abandoned: 0 })
  })

  it('what a job gives back may be any thenable, or no promise at all', async () => {
    const one = lane()
    assert.equal(await one.run(() => 7), 7)
    assert.equal(await one.run(() => undefined), undefined)
    // biome-ignore lint/suspicious/noThenProperty: this is the case
    assert.equal(await one.run(() => ({ then: (resolve: (value: number) => void) => resolve(8) }) as never), 8)
  })

  describe('too many in line', () => {
    it('one more than maxWaiting is refused with 503, a Retry-After, and the lane’s name; nothing is kept', async () => {
      const one = lane({ maxWaiting: 1 })
      const [a, b] = [named('a'), named('b')]
      const running = [one.run(a.job), one.run(b.job)]
      await assert.rejects(one.run(named('c').job), {
        name: 'LaneError',
        code: 'ERR_LANE_FULL',
        message: 'Cannot take another job into the lane database: 1 is already waiting',
        status: 503,
        expose: true,
        lane: 'database',
        retryAfter: 6,
        headers: { 'Retry-After': '6' },
      })
      assert.deepEqual(one.stats, { running: 1, waiting: 1, abandoned: 0 })
      a.done(1)
      b.done(1)
      await Promise.all(running)
      assert.equal(await one.run(() => 'room again'), 'room again')
    })

    it('0: none may wait', async () => {
      const one = lane({ maxWaiting: 0 })
      const a = named('a')
      const running = one.run(a.job)
      await assert.rejects(
        one.run(() => 1),
        { code: 'ERR_LANE_FULL', message: /none may wait/ },
      )
      a.done(1)
      await running
    })

    it('Retry-After is between 1 and 10 s, and not the same for all', async () => {
      const drawn = new Set<number | undefined>()
      for (const random of [0, 0.05, 0.5, 0.999, 1]) {
        const one = new Lane('x', { concurrency: 1 }, { random: () => random })
        await one.close()
        await one.run(() => 1).catch(({ retryAfter }) => drawn.add(retryAfter))
      }
      assert.deepEqual([...drawn], [1, 6, 10])
    })
  })

  describe('a signal', () => {
    it('aborted before: the job never runs', async () => {
      const a = named('a')
      await assert.rejects(lane().run(a.job, { signal: AbortSignal.abort(new Error('left')) }), { message: 'left' })
      assert.equal(begun, '')
    })

    it('aborted by the job itself as it begins: its own signal is, and the caller hears at once', async () => {
      const one = lane()
      const a = named('a')
      const controller = new AbortController()
      const running = one.run(
        (signal) => {
          controller.abort(new Error('left'))
          return a.job(signal)
        },
        { signal: controller.signal },
      )
      assert.equal(await now(running), 'left')
      assert.deepEqual([a.aborted, one.stats.running], ['left', 1])
      a.done('A')
      await turn()
      assert.equal(one.stats.running, 0)
    })

    it('aborted in line: the job leaves, never runs, and its place in line is free', async () => {
      const one = lane({ maxWaiting: 1 })
      const [a, b, c] = [named('a'), named('b'), named('c')]
      const first = one.run(a.job)
      const leaver = new AbortController()
      const second = one.run(b.job, { signal: leaver.signal })
      leaver.abort(new Error('left'))
      await assert.rejects(second, { message: 'left' })
      const third = one.run(c.job)
      a.done(1)
      c.done(1)
      await Promise.all([first, third])
      assert.equal(begun, 'ac')
    })

    it('aborted while it runs: its own signal is, the caller hears at once, and the place is free when it has settled', async () => {
      const one = lane()
      const [a, b] = [named('a'), named('b')]
      const leaver = new AbortController()
      const first = one.run(a.job, { signal: leaver.signal })
      const second = one.run(b.job)
      assert.equal(a.aborted, undefined)
      leaver.abort(new Error('left'))
      assert.equal(a.aborted, 'left')
      await assert.rejects(first, { message: 'left' })
      assert.deepEqual(one.stats, { running: 1, waiting: 1, abandoned: 0 })
      a.fail(new Error('stopped'))
      assert.equal(await now(second), undefined)
      assert.equal(begun, 'ab')
      b.done(2)
      assert.equal(await second, 2)
    })

    it('aborted when all is over: nothing happens, and nobody listens to it any more', async () => {
      const one = lane()
      const listening = new AbortController()
      let listeners = 0
      const { addEventListener, removeEventListener } = listening.signal
      listening.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listeners++
        return addEventListener.apply(listening.signal, args)
      }
      listening.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listeners--
        return removeEventListener.apply(listening.signal, args)
      }
      assert.equal(await one.run(() => 1, { signal: listening.signal }), 1)
      assert.equal(listeners, 0)
      listening.abort()
      assert.deepEqual(one.stats, { running: 0, waiting: 0, abandoned: 0 })
    })
  })

  describe('time', () => {
    it('a job that runs for longer than it may: its signal is aborted, the caller has an error, and it keeps its place', async () => {
      const one = lane({ timeout: 100 })
      const [a, b] = [named('a'), named('b')]
      const first = one.run(a.job)
      const second = one.run(b.job)
      clock.advance(99)
      assert.equal(await now(first), undefined)
      clock.advance(1)
      await assert.rejects(first, { code: 'ERR_LANE_TIMEOUT', status: 503, lane: 'database', message: /100 ms/ })
      assert.equal(a.aborted, 'ERR_LANE_TIMEOUT')
      assert.equal(begun, 'a')
      a.done('too late')
      assert.equal(await now(first), 'ERR_LANE_TIMEOUT')
      assert.equal(begun, 'ab')
      b.done(2)
      assert.equal(await second, 2)
    })

    it('the time in line does not count', async () => {
      const one = lane({ timeout: 100 })
      const [a, b] = [named('a'), named('b')]
      const running = [one.run(a.job), one.run(b.job)]
      clock.advance(99)
      a.done(1)
      await running[0]
      clock.advance(99)
      assert.equal(await now(running[1] as Promise<unknown>), undefined)
      b.done(2)
      assert.equal(await running[1], 2)
    })

    it('one that does not settle within the grace loses its place, and is counted until it does', async () => {
      const one = lane({ timeout: 100, grace: 50 })
      const [a, b] = [named('a'), named('b')]
      const first = one.run(a.job)
      const second = one.run(b.job)
      clock.advance(100)
      assert.equal(await now(first), 'ERR_LANE_TIMEOUT')
      clock.advance(49)
      assert.equal(begun, 'a')
      clock.advance(1)
      assert.equal(begun, 'ab')
      assert.deepEqual(one.stats, { running: 1, waiting: 0, abandoned: 1 })
      assert.equal(String(one), 'database: 1 of 1 running, 0 of 1000 waiting, 1 abandoned')
      a.done(1)
      await now(first)
      assert.deepEqual(one.stats, { running: 1, waiting: 0, abandoned: 0 })
      b.done(2)
      assert.equal(await second, 2)
      assert.deepEqual(one.stats, { running: 0, waiting: 0, abandoned: 0 })
    })

    it('no timeout, no grace: for ever', async () => {
      for (const never of [0, Number.POSITIVE_INFINITY]) {
        const one = lane({ timeout: never, grace: Number.POSITIVE_INFINITY })
        const a = named('a')
        const leaver = new AbortController()
        const running = one.run(a.job, { signal: leaver.signal })
        clock.advance(1e9)
        assert.equal(await now(running), undefined)
        leaver.abort(new Error('left'))
        await assert.rejects(running)
        clock.advance(1e9)
        assert.equal(one.stats.running, 1)
        a.done(1)
        await now(running)
        assert.equal(one.stats.running, 0)
      }
    })

    it('by default a job may run for 60 s, and go on for 10 s after', async () => {
      const one = lane()
      const a = named('a')
      const running = one.run(a.job)
      assert.equal(clock.next, 60_000)
      clock.advance(60_000)
      assert.equal(await now(running), 'ERR_LANE_TIMEOUT')
      assert.equal(clock.next, 10_000)
      clock.advance(10_000)
      assert.equal(one.stats.abandoned, 1)
    })
  })

  it('jobs that wait for nothing let the event loop turn, after 5 ms of them', async () => {
    const one = lane()
    let turns = 0
    const counting = async (): Promise<void> => {
      while (one.stats.running + one.stats.waiting > 0) {
        await turn()
        turns++
      }
    }
    const running = Array.from({ length: 12 }, () => one.run(() => clock.advance(2)))
    const counted = counting()
    await Promise.all(running)
    await counted
    // three of 2 ms each are more than 5 ms
    assert.ok(turns >= 4, `${turns} turns`)
  })

  it('who comes while the others wait for the next turn does not go before them', async () => {
    const one = lane()
    const jobs = [...'abcd'].map((name) => () => {
      begun += name
      clock.advance(5)
    })
    const running = jobs.slice(0, 3).map((job) => one.run(job))
    await running[1]
    // c waits for the turn, and there is room
    assert.deepEqual(one.stats, { running: 0, waiting: 1, abandoned: 0 })
    await Promise.all([...running, one.run(jobs[3] as () => void)])
    assert.equal(begun, 'abcd')
  })

  it('a job runs in the async context of whoever asked, also where it had to wait', async () => {
    const who = new AsyncLocalStorage<string>()
    const one = lane()
    const asking = ['ann', 'bob', 'cat'].map((name) => who.run(name, () => one.run(async () => who.getStore())))
    assert.deepEqual(await Promise.all(asking), ['ann', 'bob', 'cat'])
  })

  it('closed: takes no more, and is over when those that are in have settled', async () => {
    const one = lane()
    const [a, b] = [named('a'), named('b')]
    const running = [one.run(a.job), one.run(b.job)]
    const closed = one.close()
    await assert.rejects(
      one.run(() => 1),
      { code: 'ERR_LANE_CLOSED', status: 503, retryAfter: 6 },
    )
    a.done(1)
    assert.equal(await now(closed.then(() => 'closed')), undefined)
    b.done(2)
    assert.equal(await now(closed.then(() => 'closed')), 'closed')
    await Promise.all(running)
    await one.close()
  })

  it('a clock that throws costs no place: who asked has its error', async () => {
    const one = lane()
    const a = named('a')
    const running = one.run(a.job)
    const waiting = one.run(() => 'b')
    const { setTimeout } = clock
    clock.setTimeout = () => {
      throw new Error('no time')
    }
    a.done(1)
    assert.equal(await running, 1)
    await assert.rejects(waiting, /no time/)
    await assert.rejects(
      one.run(() => 'c'),
      /no time/,
    )
    clock.setTimeout = setTimeout
    assert.deepEqual(one.stats, { running: 0, waiting: 0, abandoned: 0 })
    assert.equal(await one.run(() => 'd'), 'd')
  })

  it('wrong options and arguments: errors with a code', async () => {
    const code = 'ERR_INVALID_OPTION'
    for (const [options, name] of [
      [{}, 'TypeError'],
      [{ concurrency: 0 }, 'RangeError'],
      [{ concurrency: 1.5 }, 'RangeError'],
      [{ concurrency: 1, maxWaiting: -1 }, 'RangeError'],
      [{ concurrency: 1, timeout: Number.NaN }, 'TypeError'],
      [{ concurrency: 1, grace: -1 }, 'RangeError'],
      [{ concurrency: 1, max: 5 }, 'TypeError'],
      ['4', 'TypeError'],
    ] as const) {
      assert.throws(() => new Lane('x', options as never), { name, code })
    }
    const one = lane()
    await assert.rejects(one.run('SELECT' as never), { name: 'TypeError', code })
    await assert.rejects(
      one.run(() => 1, { priority: 'high' as never }),
      { name: 'TypeError', code },
    )
    await assert.rejects(
      one.run(() => 1, { signal: {} as never }),
      { name: 'TypeError', code },
    )
    await assert.rejects(
      one.run(() => 1, { timeout: 5 } as never),
      { name: 'TypeError', code },
    )
  })
})
