import assert from 'node:assert/strict'
import { channelSettings } from '../../src/channel/options.js'
import { systemClock } from '../../src/core/clock.js'
import * as all from '../../src/index.js'
import { settingsOf } from '../../src/koa/settings.js'
import { until } from '../support/gate.js'

describe('what holds when nobody says otherwise', () => {
  it('continuations(): 30 s, no jitter, 1 000 dispatches; 50 000 held in all and 1 000 of a client', () => {
    const { timeout, jitter, maxDispatches, holds } = settingsOf()
    assert.deepEqual([timeout, jitter, maxDispatches], [30_000, 0, 1_000])
    for (let n = 0; n < 1_000; n++) holds.enter({ perClient: 'ann' })
    assert.throws(() => holds.enter({ perClient: 'ann' }), { scope: 'perClient', limit: 1_000 })
    for (let n = 1_000; n < 50_000; n++) holds.enter({})
    assert.throws(() => holds.enter({}), { scope: 'total', limit: 50_000 })
  })

  it('continuations(): 5 ms of dispatches a turn', async () => {
    /** In which turn each of twenty is woken, which take a millisecond each. */
    async function turns(options: { budget?: number }): Promise<number[]> {
      let now = 0
      let turn = 0
      const nextTurn = (callback: () => void) =>
        systemClock.nextTurn(() => {
          turn++
          callback()
        })
      const woken: number[] = []
      const wake = (): boolean => {
        now++
        woken.push(turn)
        return true
      }
      const { queue } = settingsOf({ clock: { ...systemClock, now: () => now, nextTurn }, ...options })
      for (let n = 0; n < 20; n++) queue.push({ wake }, 0)
      await until(() => woken.length === 20)
      return woken
    }
    const byDefault = await turns({})
    assert.deepEqual(byDefault, await turns({ budget: 5 }))
    for (const budget of [4, 6]) assert.notDeepEqual(byDefault, await turns({ budget }))
  })

  it('Channel: 1 000 messages, 1 MiB, an hour; polls held 25 s with a fifth of jitter', () => {
    const { backlog, hold, jitter } = channelSettings('A Channel', {})
    assert.deepEqual(backlog, { messages: 1_000, bytes: 1_048_576, age: 3_600_000 })
    assert.deepEqual([hold, jitter], [25_000, 0.2])
  })

  it('all that an app calls is exported from the main entry', () => {
    const names = [
      'continuations',
      'suspendable',
      'getContinuation',
      'ContinuationManager',
      'Channel',
      'Hub',
      'PlainHold',
      'Relay',
      'MemoryLog',
      'describeLog',
      'gracefulShutdown',
      'IllegalStateError',
      'SuspensionLimitError',
      'DispatchLimitError',
      'BoundaryError',
      'DrainError',
      'DisconnectError',
      'ChannelError',
      'LogError',
    ]
    const known = new Set(Object.keys(all))
    assert.deepEqual(
      names.filter((name) => !known.has(name)),
      [],
    )
  })
})
