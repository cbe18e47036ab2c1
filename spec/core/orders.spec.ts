import assert from 'node:assert/strict'
import { lifeOf, type Outcome } from '../../src/core/continuation.js'
import { BareHost } from '../support/bare-host.js'

type Move = 'return' | 'resume' | 'complete' | 'fail' | 'expire' | 'disconnect'
const moves: Move[] = ['return', 'resume', 'complete', 'fail', 'expire', 'disconnect']

function* orders<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield []
  for (const [place, item] of items.entries()) {
    for (const rest of orders(items.toSpliced(place, 1))) yield [item, ...rest]
  }
}

/** The first that decides: the time is up only once the wait has begun. */
function winner(order: readonly Move[], waitsAtOnce: boolean): Move {
  const decides = (move: Move, place: number): boolean => {
    if (move === 'return') return false
    return move !== 'expire' || waitsAtOnce || order.indexOf('return') < place
  }
  return order.find(decides) as Move
}

const answers: Partial<Record<Move, boolean>> = {}

function play(host: BareHost, order: readonly Move[]): void {
  const { continuation } = host
  for (const move of order) {
    if (move === 'return') void lifeOf(continuation).returned(true)
    else if (move === 'expire') host.clock.advance(100)
    else if (move === 'disconnect') lifeOf(continuation).close(false)
    else answers[move] = move === 'fail' ? continuation.fail(new Error()) : continuation[move]()
  }
}

function expectOneWinner(won: Move): void {
  for (const move of ['resume', 'complete', 'fail'] as const) assert.equal(answers[move], move === won)
}

describe('every order of the signals', () => {
  it('suspend, then return, resume, complete, fail, expire, disconnect in any order: one decides, one end', () => {
    let count = 0
    for (const order of orders(moves)) {
      const host = new BareHost().listening()
      const { continuation } = host
      continuation.suspend()
      play(host, order)
      const won = winner(order, false)
      try {
        expectOneWinner(won)
        host.turn()
        const again = won === 'resume' || won === 'expire'
        assert.equal(lifeOf(continuation).dispatches, again ? 2 : 1)
        assert.equal(continuation.isResumed(), won === 'resume')
        assert.equal(continuation.isExpired(), won === 'expire')
        if (again) {
          assert.equal(continuation.phase, 'dispatched')
          lifeOf(continuation).returned(true)
        }
        assert.equal(continuation.phase, 'ended')
        assert.deepEqual([host.held, host.clock.timers, host.woken.length], [0, 0, 0])
        assert.equal(host.heard.filter((event) => event === 'onComplete').length, 1)
        assert.equal(host.heard.at(-1), 'onComplete')
        assert.equal(host.heard.filter((event) => event === 'onDisconnect').length, 1)
        const decided = ['onResume', 'onTimeout', 'onError'].filter((event) => host.heard.includes(event))
        const expected = { resume: ['onResume'], expire: ['onTimeout'], fail: ['onError'] }[won as string] ?? []
        assert.deepEqual(decided, expected)
      } catch (error) {
        throw new Error(`suspend, ${order.join(', ')}: ${won} wins`, { cause: error })
      }
      count++
    }
    assert.equal(count, 720)
  })

  it('wait, then resume, complete, fail, expire, disconnect in any order: one outcome', async () => {
    let count = 0
    for (const order of orders(moves.filter((move) => move !== 'return'))) {
      const host = new BareHost().listening()
      const { continuation } = host
      const waiting = continuation.wait().catch(() => 'failed' as const)
      play(host, order)
      const won = winner(order, true)
      try {
        expectOneWinner(won)
        host.turn()
        const outcome = {
          resume: 'resumed',
          complete: 'completed',
          fail: 'failed',
          expire: 'expired',
          disconnect: 'disconnected',
          return: undefined,
        }[won] as Outcome | 'failed'
        assert.equal(await waiting, outcome)
        assert.equal(lifeOf(continuation).dispatches, 1)
        assert.equal(continuation.isInitial(), true)
        lifeOf(continuation).returned(true)
        assert.equal(continuation.phase, 'ended')
        assert.deepEqual([host.held, host.clock.timers], [0, 0])
        assert.equal(host.heard.at(-1), 'onComplete')
      } catch (error) {
        throw new Error(`wait, ${order.join(', ')}: ${won} wins`, { cause: error })
      }
      count++
    }
    assert.equal(count, 120)
  })

  it('suspend, return, fail, disconnect before its turn: what stands above sees the error all the same', async () => {
    const host = new BareHost().listening()
    host.continuation.suspend()
    const verdict = lifeOf(host.continuation).returned(true)
    const failure = new Error('the feed is gone')
    assert.equal(host.continuation.fail(failure), true)
    lifeOf(host.continuation).close(false)
    assert.deepEqual(host.heard, ['onSuspend', 'onError', 'onDisconnect', 'onComplete'])
    host.turn()
    assert.equal(await verdict, 'throw')
    assert.equal(lifeOf(host.continuation).failure, failure)
  })
})
