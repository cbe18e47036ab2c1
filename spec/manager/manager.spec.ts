import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { type Continuation, lifeOf } from '../../src/core/continuation.js'
import { ContinuationManager, SuspensionLimitError } from '../../src/index.js'
import { BareHost } from '../support/bare-host.js'

/** A request that waits. */
function parked(host = new BareHost()): Continuation {
  host.continuation.suspend()
  void lifeOf(host.continuation).returned(true)
  return host.continuation
}

/** The same ones in the same order. To compare deeply tells no continuation from another. */
function same(found: Iterable<Continuation>, expected: Continuation[]): void {
  const ids = (all: Iterable<Continuation>) => Array.from(all, ({ id }) => id)
  assert.deepEqual(ids(found), ids(expected))
}

const message = (continuation: Continuation) => continuation.getAttribute('message')

describe('ContinuationManager', () => {
  let manager: ContinuationManager
  beforeEach(() => {
    manager = new ContinuationManager()
  })

  describe('stash', () => {
    it('keeps a continuation under a key, and says how many wait there', () => {
      assert.equal(manager.stash(parked(), 'a'), 1)
      assert.equal(manager.stash(parked(), 'a'), 2)
      assert.equal(manager.stash(parked(), 'b'), 1)
      assert.equal(manager.stash(parked()), 1)
      assert.equal(manager.size, 4)
      assert.deepEqual([...manager.keys()], ['a', 'b', undefined])
    })

    it('takes any value for a key', () => {
      const key = {}
      manager.stash(parked(), key)
      manager.stash(parked(), 0)
      assert.equal(manager.resume({}), 0)
      assert.equal(manager.resume('0'), 0)
      assert.equal(manager.resume(key), 1)
      assert.equal(manager.resume(0), 1)
    })

    it('the same continuation under the same key: nothing changes', () => {
      const continuation = parked()
      manager.stash(continuation, 'a')
      assert.equal(manager.stash(continuation, 'a'), 1)
      assert.equal(manager.resume('a'), 1)
      assert.equal(manager.size, 0)
    })

    it('the same continuation under several keys: waits under each, and leaves all together', () => {
      const continuation = parked()
      for (const key of ['a', 'b', 'c']) manager.stash(continuation, key)
      for (const key of ['c', 'b', 'a']) assert.equal(manager.stash(continuation, key), 1)
      assert.equal(manager.size, 1)
      same(manager, [continuation])
      assert.equal(manager.resume('b'), 1)
      assert.equal(manager.size, 0)
      assert.deepEqual([...manager.keys()], [])
      assert.equal(manager.get(continuation.id), undefined)
    })

    it('one that is decided or over already is not kept, and that is no error', () => {
      const decided = parked()
      decided.resume()
      assert.equal(manager.stash(decided, 'a'), 0)
      const over = parked()
      lifeOf(over).close(false)
      assert.equal(manager.stash(over, 'a'), 0)
      assert.equal(manager.size, 0)
    })

    it('before the suspension: it waits from then on, and is woken only then', () => {
      const { continuation } = new BareHost()
      manager.stash(continuation, 'a')
      assert.equal(manager.resume('a'), 0)
      continuation.suspend()
      assert.equal(manager.resume('a'), 1)
    })

    it('of a request that then never suspends: it leaves at the end', () => {
      const { continuation } = new BareHost()
      manager.stash(continuation, 'a')
      lifeOf(continuation).returned(true)
      assert.equal(manager.size, 0)
    })

    it('of what is no continuation: TypeError that says where one comes from', () => {
      for (const wrong of [undefined, null, {}, 'c1', { resume() {} }]) {
        assert.throws(() => manager.stash(wrong as never), {
          name: 'TypeError',
          code: 'ERR_INVALID_OPTION',
          message: /continuations\(\)/,
        })
      }
    })
  })

  it('options that are no object: TypeError that says whose', () => {
    assert.throws(() => new ContinuationManager(5 as never), {
      name: 'TypeError',
      code: 'ERR_INVALID_OPTION',
      message: 'The options of a ContinuationManager must be an object: got 5',
    })
  })

  describe('resume', () => {
    it('wakes all that wait under a key, with the attributes, and says how many', () => {
      const [one, two, other] = [parked(), parked(), parked()]
      manager.stash(one, 'a')
      manager.stash(two, 'a')
      manager.stash(other, 'b')
      assert.equal(manager.resume('a', { message: 'hello' }), 2)
      assert.deepEqual([one, two, other].map(message), ['hello', 'hello', undefined])
      assert.deepEqual(
        [one, two, other].map((continuation) => continuation.isResumed()),
        [true, true, false],
      )
      assert.deepEqual([...manager.keys()], ['b'])
      assert.equal(manager.resume('a'), 0)
    })

    it('wakes the first of them: first come, first woken', () => {
      const waiting = [parked(), parked(), parked(), parked()]
      for (const continuation of waiting) manager.stash(continuation, 'a')
      assert.equal(manager.resume('a', { message: 1 }, 1), 1)
      assert.equal(manager.resume('a', { message: 2 }, 2), 2)
      assert.equal(manager.resume('a', { message: 3 }, 0), 0)
      assert.deepEqual(waiting.map(message), [1, 2, 2, undefined])
      assert.equal(manager.resume('a', {}, 5), 1)
    })

    it('passes over those that have not suspended yet', () => {
      const { continuation } = new BareHost()
      manager.stash(continuation, 'a')
      const second = parked()
      manager.stash(second, 'a')
      assert.equal(manager.resume('a', { message: 1 }, 1), 1)
      assert.equal(message(second), 1)
      same(manager, [continuation])
    })

    it('a wrong count or wrong attributes: an error with a code, and nobody is woken', () => {
      manager.stash(parked(), 'a')
      assert.throws(() => manager.resume('a', {}, -1), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => manager.resume('a', {}, 1.5), { name: 'RangeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => manager.resume('a', {}, '1' as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => manager.resume('a', 'hello' as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => manager.broadcast(null as never), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      assert.throws(() => manager.fail('a', undefined), { name: 'TypeError', code: 'ERR_INVALID_OPTION' })
      assert.equal(manager.size, 1)
    })

    it('attributes are copied at the call; what one sets, another does not see', () => {
      const [one, two] = [parked(), parked()]
      manager.stash(one)
      manager.stash(two)
      const attributes = { message: 'as it was' }
      manager.broadcast(attributes)
      attributes.message = 'changed'
      one.setAttribute('message', 'of one')
      one.setAttribute('own', true)
      two.removeAttribute('message')
      assert.deepEqual([one, two].map(message), ['of one', undefined])
      assert.equal(two.getAttribute('own'), undefined)
    })
  })

  it('broadcast wakes all that wait, under whatever key, and says how many', () => {
    for (const key of ['a', 'b', undefined]) manager.stash(parked(), key)
    assert.equal(manager.broadcast({ message: 'to all' }), 3)
    assert.equal(manager.broadcast(), 0)
    assert.equal(manager.size, 0)
  })

  it('complete and fail end those under a key, and say how many', () => {
    const hosts = [new BareHost(), new BareHost(), new BareHost()]
    const error = new Error('revoked')
    hosts.forEach((host, place) => {
      manager.stash(parked(host), place < 2 ? 'a' : 'b')
    })
    assert.equal(manager.complete('a'), 2)
    assert.equal(manager.fail('b', error), 1)
    assert.deepEqual(
      hosts.map(({ continuation }) => continuation.phase),
      ['completed', 'completed', 'failed'],
    )
    assert.equal(lifeOf(hosts[2]?.continuation as Continuation).failure, error)
    assert.equal(manager.size, 0)
  })

  it('waiting iterates over those under a key, in order, also when they are decided meanwhile', () => {
    const [one, two, other] = [parked(), parked(), parked()]
    manager.stash(one, 'a')
    manager.stash(other, 'b')
    manager.stash(two, 'a')
    same(manager.waiting('a'), [one, two])
    assert.deepEqual([...manager.waiting()], [])
    let seen = 0
    for (const continuation of manager.waiting('a')) {
      continuation.complete()
      seen++
    }
    assert.equal(seen, 2)
    assert.equal(manager.size, 1)
  })

  it('get finds who waits by id', () => {
    const continuation = parked()
    manager.stash(continuation, 'a')
    assert.equal(manager.get(continuation.id), continuation)
    for (const id of ['nobody', '', 5, undefined, null, {}]) assert.equal(manager.get(id as string), undefined)
    continuation.complete()
    assert.equal(manager.get(continuation.id), undefined)
  })

  it('get goes on to find who comes and misses who leaves, one by one or all', () => {
    const [first, second, third] = [parked(), parked(), parked()]
    manager.stash(first, 'a')
    assert.equal(manager.get(first.id), first)
    manager.stash(second, 'b')
    manager.stash(second, 'c')
    assert.equal(manager.get(second.id), second)
    manager.resume('a')
    assert.equal(manager.get(first.id), undefined)
    assert.equal(manager.broadcast(), 1)
    assert.equal(manager.get(second.id), undefined)
    manager.stash(third, 'a')
    assert.equal(manager.get(third.id), third)
  })

  it('iteration is by arrival, under whatever key, and passes over who has left meanwhile', () => {
    const all = Array.from({ length: 6 }, () => parked())
    const [first, , third] = all as [Continuation, Continuation, Continuation]
    for (const [place, continuation] of all.entries()) manager.stash(continuation, place % 2)
    manager.stash(third, 'another')
    same(manager, all)
    const seen: Continuation[] = []
    for (const continuation of manager) {
      seen.push(continuation)
      if (continuation === first) third.resume()
      if (seen.length === 3) manager.broadcast()
    }
    assert.deepEqual(seen, [first, all[1], all[3]])
    assert.equal(manager.size, 0)
  })

  describe('what ends for any reason leaves by itself, at once', () => {
    const ends: Record<string, (host: BareHost) => void> = {
      'resumed by itself': ({ continuation }) => continuation.resume(),
      completed: ({ continuation }) => continuation.complete(),
      failed: ({ continuation }) => continuation.fail(new Error()),
      expired: ({ clock }) => clock.advance(100),
      'the client left': ({ continuation }) => lifeOf(continuation).close(false),
      'answered past Koa': ({ continuation }) => lifeOf(continuation).close(true),
    }
    for (const [end, act] of Object.entries(ends)) {
      it(end, () => {
        const host = new BareHost()
        manager.stash(parked(host), 'a')
        manager.stash(parked(), 'a')
        act(host)
        assert.equal(manager.size, 1)
        assert.equal(manager.resume('a'), 1)
        assert.deepEqual([...manager.keys()], [])
      })
    }

    it('one whose onTimeout listener extends the wait stays', () => {
      const host = new BareHost()
      host.continuation.addContinuationListener({ onTimeout: (continuation) => continuation.setTimeout(50) })
      manager.stash(parked(host), 'a')
      host.clock.advance(100)
      assert.equal(manager.size, 1)
    })
  })

  describe('while it decides', () => {
    it('collects the waiters, then wakes them: one that is stashed meanwhile waits for the next time', () => {
      const first = parked()
      const late = parked()
      first.addContinuationListener({ onResume: () => manager.stash(late, 'a') })
      manager.stash(first, 'a')
      assert.equal(manager.resume('a'), 1)
      same(manager, [late])
    })

    it('one that a listener has decided meanwhile is not counted, and another takes its place', () => {
      const [first, second, third] = [parked(), parked(), parked()]
      first.addContinuationListener({ onResume: () => second.complete() })
      for (const continuation of [first, second, third]) manager.stash(continuation, 'a')
      assert.equal(manager.resume('a', {}, 2), 2)
      assert.deepEqual(
        [first, second, third].map(({ phase }) => phase),
        ['woken', 'completed', 'woken'],
      )
    })

    it('one that a listener stashes into the place of those it has decided is kept, and waits for the next time', () => {
      const [first, second, third, late] = [parked(), parked(), parked(), parked()]
      first.addContinuationListener({
        onResume: () => {
          manager.complete('a')
          manager.stash(late, 'a')
        },
      })
      for (const continuation of [first, second, third]) manager.stash(continuation, 'a')
      assert.equal(manager.resume('a', {}, 2), 1)
      assert.deepEqual([[...manager], [...manager.keys()], late.isResumed()], [[late], ['a'], false])
      assert.equal(manager.resume('a'), 1)
      assert.equal(manager.size, 0)
    })

    it('where another takes the place of one that a listener has decided, it is one that waited before', () => {
      const [first, second, late] = [parked(), parked(), parked()]
      const early = new BareHost().continuation
      first.addContinuationListener({
        onResume: () => {
          second.complete()
          manager.stash(late, 'a')
        },
      })
      for (const continuation of [first, second, early]) manager.stash(continuation, 'a')
      assert.equal(manager.resume('a', {}, 2), 1)
      same(manager, [early, late])
    })

    for (const wake of ['resume', 'broadcast'] as const) {
      it(`${wake} takes all away together, and each is counted out once, whatever a listener does meanwhile`, () => {
        manager = new ContinuationManager({ limits: { total: 3, perKey: 3 } })
        const [first, second, third, late] = [parked(), parked(), parked(), parked()]
        first.addContinuationListener({
          onResume: () => {
            assert.deepEqual([manager.size, manager.get(third.id), [...manager.keys()]], [0, undefined, []])
            second.complete()
            manager.stash(late, 'a')
          },
        })
        for (const continuation of [first, second, third]) manager.stash(continuation, 'a')
        assert.equal(wake === 'resume' ? manager.resume('a') : manager.broadcast(), 2)
        same(manager, [late])
        assert.equal(manager.stash(parked(), 'a'), 2)
        assert.equal(manager.stash(parked(), 'a'), 3)
        assert.throws(() => manager.stash(parked(), 'a'), { code: 'ERR_SUSPENSION_LIMIT' })
        assert.equal(manager.resume('a'), 3)
        assert.deepEqual([manager.size, [...manager.keys()]], [0, []])
      })
    }

    it('broadcast leaves those that have not suspended yet where they are', () => {
      const early = new BareHost().continuation
      const waiting = parked()
      manager.stash(early, 'a')
      manager.stash(waiting, 'a')
      manager.stash(parked(), 'b')
      assert.equal(manager.broadcast(), 2)
      assert.deepEqual([[...manager], [...manager.keys()]], [[early], ['a']])
    })
  })

  describe('limits', () => {
    it('total, per key, per client: over it stash() throws a 503, and nothing is kept', () => {
      const client = { clientId: () => 'ann' }
      for (const [limits, scope, fills, options] of [
        [{ total: 2 }, 'total', ['a', 'b'], {}],
        [{ perKey: 1 }, 'perKey', ['a'], {}],
        [{ perClient: 2 }, 'perClient', ['b', 'c'], client],
      ] as const) {
        manager = new ContinuationManager({ limits, random: () => 0.99, ...options })
        for (const key of fills) manager.stash(parked(), key)
        assert.throws(
          () => manager.stash(parked(), 'a'),
          (error) =>
            error instanceof SuspensionLimitError &&
            error.status === 503 &&
            error.scope === scope &&
            error.limit === fills.length &&
            error.retryAfter === 10 &&
            error.headers['Retry-After'] === '10',
        )
        assert.equal(manager.size, fills.length)
        manager.resume(fills[0])
        assert.equal(manager.stash(parked(), 'a'), 1)
      }
    })

    it('one that waits under several keys is one, in all and of its client; under each key it counts', () => {
      const of = (clientId: string) => parked(Object.assign(new BareHost(), { clientId }))
      for (const [limits, scope] of [
        [{ total: 2 }, 'total'],
        [{ perClient: 2 }, 'perClient'],
      ] as const) {
        manager = new ContinuationManager({ limits: { ...limits, perKey: 2 } })
        const [first, second] = [of('ann'), of('ann')]
        for (const key of ['a', 'b', 'c']) manager.stash(first, key)
        for (const key of ['a', 'b', 'd']) manager.stash(second, key)
        assert.equal(manager.size, 2)
        assert.throws(() => manager.stash(of('ann'), 'e'), { code: 'ERR_SUSPENSION_LIMIT', scope })
        first.complete()
        const third = of('ann')
        manager.stash(third, 'd')
        assert.throws(() => manager.stash(of('ann'), 'e'), { code: 'ERR_SUSPENSION_LIMIT', scope })
        manager.stash(third, 'b')
        second.complete()
        manager.stash(of('ann'), 'b')
        assert.throws(() => manager.stash(of('ann'), 'e'), { code: 'ERR_SUSPENSION_LIMIT', scope })
        assert.equal(manager.broadcast(), 2)
        for (const key of ['e', 'f']) manager.stash(of('ann'), key)
        assert.throws(() => manager.stash(of('ann'), 'e'), { code: 'ERR_SUSPENSION_LIMIT', scope })
      }
      manager = new ContinuationManager({ limits: { perKey: 1 } })
      const waiting = of('ann')
      for (const key of ['a', 'b']) manager.stash(waiting, key)
      for (const key of ['a', 'b']) {
        assert.throws(() => manager.stash(of('bob'), key), { code: 'ERR_SUSPENSION_LIMIT', scope: 'perKey' })
      }
    })

    it('perClient is by what the boundary says when the manager is not told', () => {
      manager = new ContinuationManager({ limits: { perClient: 1 } })
      const of = (clientId: string) => parked(Object.assign(new BareHost(), { clientId }))
      manager.stash(of('ann'))
      manager.stash(of('bob'))
      assert.throws(() => manager.stash(of('ann')), { code: 'ERR_SUSPENSION_LIMIT' })
    })
  })

  it('what a clientId decides or stashes is seen: nobody is kept who is decided, and nobody twice', () => {
    const [decided, stashed] = [parked(), parked()]
    manager = new ContinuationManager({ limits: { perClient: 1 }, clientId: () => String(decided.complete()) })
    assert.equal(manager.stash(decided, 'a'), 0)
    let isAsked = false
    manager = new ContinuationManager({
      limits: { perClient: 1 },
      clientId: () => {
        if (!isAsked) {
          isAsked = true
          manager.stash(stashed, 'a')
        }
        return 'ann'
      },
    })
    assert.equal(manager.stash(stashed, 'a'), 1)
    same(manager, [stashed])
  })

  it('refuses what a clientId answers that is no name; null is nobody', () => {
    for (const answer of [5, {}, Promise.resolve('ann')]) {
      manager = new ContinuationManager({ limits: { perClient: 1 }, clientId: () => answer as never })
      assert.throws(() => manager.stash(parked()), {
        code: 'ERR_INVALID_OPTION',
        message: /^What clientId answers must be a string or undefined: got /,
      })
      assert.equal(manager.size, 0)
    }
    manager = new ContinuationManager({ limits: { perClient: 1 }, clientId: () => null as never })
    manager.stash(parked())
    assert.equal(manager.stash(parked()), 2)
  })

  describe("second: 'replace'", () => {
    beforeEach(() => {
      manager = new ContinuationManager({ second: 'replace', limits: { perClient: 1 } })
    })
    const of = (clientId: string | undefined) => Object.assign(new BareHost(), { clientId })

    it('those without a name replace nobody, and count as one', () => {
      manager = new ContinuationManager({ second: 'replace', limits: { perClient: 2 } })
      const [one, other] = [parked(of('')), parked(of(''))]
      manager.stash(one)
      assert.equal(manager.stash(other), 2)
      assert.throws(() => manager.stash(parked(of(''))), { code: 'ERR_SUSPENSION_LIMIT', scope: 'perClient' })
      assert.ok(one.resume())
      same(manager, [other])
    })

    it('a second stash of one client under one key ends the first, and takes its place', () => {
      const [older, newer] = [of('ann'), of('ann')]
      let dismissed = false
      older.dismissed = () => {
        dismissed = true
      }
      manager.stash(parked(older), 'a')
      assert.equal(manager.stash(parked(newer), 'a'), 1)
      assert.equal(older.continuation.phase, 'completed')
      assert.equal(dismissed, true)
      same(manager, [newer.continuation])
    })

    it('one that had to make room before it was suspended may be stashed again, and is woken', () => {
      const { continuation } = of('ann')
      manager.stash(continuation, 'a')
      const second = parked(of('ann'))
      assert.equal(manager.stash(second, 'a'), 1)
      assert.equal(manager.stash(continuation, 'a'), 1)
      assert.equal(second.isSuspended(), false)
      continuation.suspend()
      void lifeOf(continuation).returned(true)
      same(manager, [continuation])
      assert.equal(manager.resume('a'), 1)
      assert.equal(manager.size, 0)
    })

    it('one that had to make room under one key waits on under another, and is woken with all', () => {
      manager = new ContinuationManager({ second: 'replace' })
      const { continuation } = of('ann')
      for (const key of ['a', 'b']) manager.stash(continuation, key)
      const second = parked(of('ann'))
      manager.stash(second, 'a')
      continuation.suspend()
      void lifeOf(continuation).returned(true)
      assert.equal(manager.get(continuation.id), continuation)
      same(manager, [continuation, second])
      assert.equal(manager.size, 2)
      assert.equal(manager.broadcast(), 2)
      assert.equal(manager.size, 0)
    })

    it('one that waits on under another key counts there, until it leaves', () => {
      manager = new ContinuationManager({ second: 'replace', limits: { total: 2, perKey: 1, perClient: 2 } })
      const { continuation } = of('ann')
      for (const key of ['a', 'b']) manager.stash(continuation, key)
      const second = parked(of('ann'))
      manager.stash(second, 'a')
      const full = (scope: string, key: string, client = 'ann') =>
        assert.throws(() => manager.stash(parked(of(client)), key), { code: 'ERR_SUSPENSION_LIMIT', scope })
      full('total', 'c')
      second.complete()
      full('perKey', 'b', 'bob')
      manager.stash(parked(of('ann')), 'a')
      lifeOf(continuation).returned(true)
      assert.equal(manager.broadcast(), 1)
      for (const key of ['a', 'b']) manager.stash(parked(of('ann')), key)
      full('total', 'c')
    })

    it('one that has its place from a key under which it made room stands in order, alone under a key too', () => {
      manager = new ContinuationManager({ second: 'replace' })
      const { continuation } = of('ann')
      manager.stash(continuation, 'a')
      const bob = parked(of('bob'))
      manager.stash(bob, 'b')
      manager.stash(continuation, 'b')
      const second = parked(of('ann'))
      manager.stash(second, 'a')
      same(manager, [continuation, bob, second])
      second.resume()
      same(manager, [continuation, bob])
      same(manager.waiting('b'), [bob, continuation])
    })

    it('nobody makes room for one that is refused all the same', () => {
      const { continuation } = of('ann')
      for (const key of ['a', 'b']) manager.stash(continuation, key)
      assert.throws(() => manager.stash(parked(of('ann')), 'a'), { code: 'ERR_SUSPENSION_LIMIT', scope: 'perClient' })
      same(manager.waiting('a'), [continuation])
    })

    it('once nobody is kept any more, the first waits on', () => {
      const [older, newer] = [of('ann'), of('ann')]
      manager.stash(parked(older), 'a')
      manager.refuse()
      assert.throws(() => manager.stash(parked(newer), 'a'), { code: 'ERR_DRAINING' })
      assert.equal(older.continuation.phase, 'suspended')
      same(manager, [older.continuation])
    })

    it('another client, another key, or no client id: both wait', () => {
      manager = new ContinuationManager({ second: 'replace' })
      manager.stash(parked(of('ann')), 'a')
      assert.equal(manager.stash(parked(of('bob')), 'a'), 2)
      assert.equal(manager.stash(parked(of('ann')), 'b'), 1)
      assert.equal(manager.stash(parked(of(undefined)), 'c'), 1)
      assert.equal(manager.stash(parked(of(undefined)), 'c'), 2)
    })
  })

  it('util.inspect shows who waits, since when, until when', () => {
    const continuation = parked()
    manager.stash(continuation, 'news')
    const text = inspect(manager)
    assert.match(text, /ContinuationManager \{ 1 waiting \}/)
    for (const shown of ['news', continuation.id, 'GET /', 'suspended', 'since: 1970-', 'until: 1970-']) {
      assert.ok(text.includes(shown), `${shown} in ${text}`)
    }
    continuation.setTimeout(0)
    assert.match(inspect(manager), /until: 'for ever'/)
  })
})
