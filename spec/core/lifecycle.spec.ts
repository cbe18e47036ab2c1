import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { type Continuation, lifeOf } from '../../src/core/continuation.js'
import { IllegalStateError } from '../../src/core/errors.js'
import { isOver, lifecycle, type Phase, phases, type Signal, signals } from '../../src/core/lifecycle.js'
import { BareHost } from '../support/bare-host.js'
import { printed } from '../support/print-lifecycle.js'

const error = new Error('of the test')

/** Brings a request into a phase, and calls `there` while it is in it. */
const ways: Record<Phase, (host: BareHost, there: (continuation: Continuation) => void) => void> = {
  dispatched: ({ continuation }, there) => there(continuation),
  suspending: ({ continuation }, there) => {
    continuation.suspend()
    there(continuation)
  },
  resuming: ({ continuation }, there) => {
    continuation.suspend()
    continuation.resume()
    there(continuation)
  },
  completing: ({ continuation }, there) => {
    continuation.suspend()
    continuation.complete()
    there(continuation)
  },
  failing: ({ continuation }, there) => {
    continuation.suspend()
    continuation.fail(error)
    there(continuation)
  },
  aborting: ({ continuation }, there) => {
    continuation.suspend()
    lifeOf(continuation).close(false)
    there(continuation)
  },
  suspended: ({ continuation }, there) => {
    continuation.suspend()
    void lifeOf(continuation).returned(true)
    there(continuation)
  },
  parking: (host, there) => inListener('onSuspend', host, () => {}, there),
  expiring: (host, there) => inTimeout(host, () => {}, there),
  extending: (host, there) => inTimeout(host, (continuation) => continuation.setTimeout(50), there),
  reviving: (host, there) => inTimeout(host, (continuation) => continuation.resume(), there),
  closing: (host, there) => inTimeout(host, (continuation) => continuation.complete(), there),
  erring: (host, there) => inTimeout(host, (continuation) => continuation.fail(error), there),
  departing: (host, there) => inTimeout(host, (continuation) => lifeOf(continuation).close(false), there),
  woken: ({ continuation }, there) => {
    continuation.suspend()
    void lifeOf(continuation).returned(true)
    continuation.resume()
    there(continuation)
  },
  completed: ({ continuation }, there) => {
    lifeOf(continuation).returned(true)
    there(continuation)
  },
  failed: ({ continuation }, there) => {
    lifeOf(continuation).threw(error, true)
    there(continuation)
  },
  aborted: ({ continuation }, there) => {
    void continuation.wait()
    lifeOf(continuation).close(false)
    there(continuation)
  },
  ended: ({ continuation }, there) => {
    lifeOf(continuation).returned(true)
    lifeOf(continuation).close(true)
    there(continuation)
  },
}

const inTimeout = inListener.bind(undefined, 'onTimeout')

function inListener(
  event: 'onSuspend' | 'onTimeout',
  host: BareHost,
  before: (continuation: Continuation) => void,
  there: (continuation: Continuation) => void,
): void {
  const { continuation } = host
  continuation.addContinuationListener({
    [event]: () => {
      before(continuation)
      there(continuation)
    },
  })
  continuation.suspend()
  void lifeOf(continuation).returned(true)
  if (event === 'onTimeout') host.clock.advance(100)
  // a throw in the listener, such as a failed assertion, is reported to the host
  if (host.reported.length > 0) throw host.reported[0]
}

/** Gives a signal. What it answers, where it answers. */
const give: Partial<Record<Signal, (host: BareHost) => unknown>> = {
  suspend: ({ continuation }) => continuation.suspend(),
  wait: ({ continuation }) => continuation.wait(),
  resume: ({ continuation }) => continuation.resume(),
  complete: ({ continuation }) => continuation.complete(),
  fail: ({ continuation }) => continuation.fail(error),
  extend: ({ continuation }) => continuation.setTimeout(10),
  return: ({ continuation }) => void lifeOf(continuation).returned(true),
  throw: ({ continuation }) => lifeOf(continuation).threw(error, true),
  dispatch: (host) => host.turn(),
  disconnect: ({ continuation }) => lifeOf(continuation).close(false),
  finish: ({ continuation }) => lifeOf(continuation).close(true),
}

/** The phases in which no handler is running that could return or throw. */
const parked = ['parking', 'suspended', 'expiring', 'extending', 'reviving', 'closing', 'erring', 'departing', 'woken']

/** Where a signal leads when everything that follows from it by itself has happened. */
function settled(from: Phase, signal: Signal): Phase {
  const cell = lifecycle[from][signal]
  const to = cell === '-' || cell === 'late' || cell === 'illegal' ? from : cell
  const closes = signal === 'disconnect' || signal === 'finish'
  // the socket is done with a parked request that somebody answered past Koa: as complete()
  if (signal === 'finish' && from === 'suspended') return 'ended'
  if (signal === 'finish' && from === 'parking') return 'closing'
  // the client has left: the socket says so once, and the end comes with the handler's return
  if (from === 'aborted' && closes) return 'aborted'
  if ((from === 'aborting' || from === 'aborted') && (signal === 'return' || signal === 'throw')) return 'ended'
  // the end of a request whose outcome was settled and whose handler has returned
  if (closes && isOver(to)) return 'ended'
  return to
}

describe('the life cycle', () => {
  it('stands in the docs as it is', async () => {
    const docs = await readFile(new URL('../../docs/lifecycle.md', import.meta.url), 'utf8')
    // a formatter may line the columns up
    const plain = (text: string): string => text.replace(/ *\| */g, '|').replace(/-+/g, '-')
    assert.ok(plain(docs).includes(plain(printed())), `docs/lifecycle.md needs this table:\n\n${printed()}`)
  })

  it('leads every phase to the end, and nowhere from there', () => {
    const reached = new Set<Phase>(['ended'])
    for (let before = 0; before < reached.size; ) {
      before = reached.size
      for (const phase of phases) {
        if (Object.values(lifecycle[phase]).some((cell) => reached.has(cell as Phase))) reached.add(phase)
      }
    }
    assert.deepEqual([...reached].sort(), [...phases].sort())
    assert.deepEqual(new Set(Object.values(lifecycle.ended)), new Set(['illegal', 'late', '-']))
  })

  for (const phase of phases) {
    describe(phase, () => {
      it('is reached', () => {
        let seen: string | undefined
        ways[phase](new BareHost(), (continuation) => {
          seen = continuation.phase
        })
        assert.equal(seen, phase)
      })

      for (const signal of signals) {
        const cell = lifecycle[phase][signal]
        if (signal === 'listened') {
          if (cell === '-') continue
          it(`listened: ${cell}`, () => {
            const host = new BareHost()
            ways[phase](host, () => {})
            assert.equal(host.continuation.phase, cell === 'aborted' ? 'ended' : cell)
          })
          continue
        }
        if (signal === 'park') {
          it(`park: ${cell}`, () => {
            const host = new BareHost()
            const seen: Phase[] = []
            const { continuation } = host
            const note = () => seen.push(continuation.phase)
            // only the way to here may have led by there
            if (cell !== '-') continuation.addContinuationListener({ onSuspend: note })
            ways[phase](host, () => {
              if (cell === '-') continuation.addContinuationListener({ onSuspend: note })
            })
            assert.deepEqual(seen, cell === '-' ? [] : [cell])
          })
          continue
        }
        if (signal === 'expire') {
          it(`expire: ${cell}`, () => {
            const host = new BareHost()
            const seen: Phase[] = []
            ways[phase](host, (continuation) => {
              continuation.addContinuationListener({ onTimeout: () => seen.push(continuation.phase) })
              if (!continuation.phase.match(/^(expiring|extending)$/)) host.clock.advance(100)
            })
            assert.deepEqual(seen, cell === '-' ? [] : [cell])
          })
          continue
        }
        // nobody runs there who could give it
        if ((signal === 'return' || signal === 'throw') && parked.includes(phase)) continue

        it(`${signal}: ${cell}`, async () => {
          const host = new BareHost()
          let answer: unknown
          let thrown: unknown
          let after: Phase | undefined
          ways[phase](host, (continuation) => {
            try {
              answer = give[signal]?.(host)
            } catch (error) {
              thrown = error
            }
            after = continuation.phase
          })
          if (answer instanceof Promise && cell === 'illegal') thrown = await answer.catch((error: unknown) => error)
          assert.equal(after, settled(phase, signal))
          const never = phase === 'dispatched' && cell === 'late'
          assert.equal(thrown instanceof IllegalStateError, cell === 'illegal' || never, String(thrown))
          if (cell === 'late' && !never) assert.equal(answer, false)
          if (['resume', 'complete', 'fail'].includes(signal) && cell !== 'late') assert.equal(answer, true)
          assert.equal(
            host.held,
            ['suspending', 'parking', 'suspended', 'expiring', 'extending'].includes(host.continuation.phase) ? 1 : 0,
          )
        })
      }
    })
  }

  for (const signal of ['return', 'throw'] as const) {
    for (const from of ['suspended', 'woken'] as const) {
      it(`${from}, ${signal} of a handler that left its wait(): ${lifecycle[from][signal]}`, () => {
        const host = new BareHost()
        void host.continuation.wait()
        if (from === 'woken') host.continuation.resume()
        give[signal]?.(host)
        assert.equal(host.continuation.phase, lifecycle[from][signal])
        assert.equal(host.held, 0)
        assert.equal(host.clock.timers, 0)
        host.turn()
        assert.equal(host.continuation.phase, lifecycle[from][signal])
      })
    }
  }
})
