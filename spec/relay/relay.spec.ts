import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { Continuation } from '../../src/core/continuation.js'
import { lifeOf } from '../../src/core/continuation.js'
import {
  Channel,
  ContinuationManager,
  type Log,
  LogError,
  MemoryLog,
  Relay,
  RelayGapError,
  type RelayKey,
  type RelayOptions,
} from '../../src/index.js'
import { BareHost } from '../support/bare-host.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'

/** What a relay of the default name appends to. */
const ENTRIES = '\udc00relay:relay'
const RECEIPTS = '\udc00receipts:relay'
const wide = { messages: 99, bytes: 9_900, age: 9_000 }

/** A request that waits. */
function parked(): { host: BareHost; continuation: Continuation } {
  const host = new BareHost()
  host.continuation.suspend()
  void lifeOf(host.continuation).returned(true)
  return { host, continuation: host.continuation }
}

/** A log as one process has it, which may stand still: then it reads nothing, and what it appends is there. */
class Handle implements Log {
  readonly #log: Log
  #going: Promise<void> = Promise.resolve()
  #stopped: string | undefined
  goOn = (): void => {}

  constructor(log: Log) {
    this.#log = log
  }

  /** @param channel default all */
  stop(channel?: string): void {
    this.#stopped = channel
    this.#going = new Promise((resolve) => {
      this.goOn = resolve
    })
  }
  append(...args: Parameters<Log['append']>) {
    return this.#log.append(...args)
  }
  async read(...args: Parameters<Log['read']>) {
    if (this.#stopped === undefined || this.#stopped === args[0]) await this.#going
    return this.#log.read(...args)
  }
  tail(...args: Parameters<Log['tail']>) {
    return this.#log.tail(...args)
  }
  close() {
    return this.#log.close()
  }
}

/** A process with a manager of its own, as far as a test can be several. */
interface Process {
  readonly handle: Handle
  readonly manager: ContinuationManager
  readonly relay: Relay
  readonly trouble: Error[]
  wait(key?: unknown): Continuation
}

describe('Relay', () => {
  let log: Log
  let clock: ManualClock
  let relays: Relay[]
  beforeEach(() => {
    log = new MemoryLog()
    clock = new ManualClock()
    relays = []
  })
  afterEach(async () => {
    await Promise.all(relays.map((relay) => relay.close()))
    assert.equal(clock.timers, 0)
  })

  const begin = async (options: RelayOptions = {}): Promise<Process> => {
    const handle = new Handle(log)
    const manager = new ContinuationManager()
    const trouble: Error[] = []
    const relay = new Relay(manager, handle, { clock, onTrouble: (error) => trouble.push(error), ...options })
    relays.push(relay)
    await relay.ready()
    return {
      handle,
      manager,
      relay,
      trouble,
      wait: (key) => {
        const { continuation } = parked()
        manager.stash(continuation, key)
        return continuation
      },
    }
  }
  /** So many processes that know one another. */
  const several = async (count: number, options: RelayOptions = {}): Promise<Process[]> => {
    const processes: Process[] = []
    while (processes.length < count) processes.push(await begin(options))
    await until(() => processes.every(({ relay }) => relay.others === count - 1))
    clock.advance(1_000)
    return processes
  }
  /** What stands in the log. */
  const relayed = async (): Promise<string[]> =>
    (await log.read(ENTRIES, 'oldest')).messages.map(({ data }) => JSON.parse(data).do)
  const pair = async (options: RelayOptions = {}) => (await several(2, options)) as [Process, Process]

  it('resume: all that wait under the key in any process, with the attributes, and a receipt', async () => {
    const [here, there, elsewhere] = (await several(3)) as [Process, Process, Process]
    const woken = [here.wait('lobby'), there.wait('lobby'), there.wait('lobby'), elsewhere.wait('lobby')]
    const other = there.wait('kitchen')
    const attributes = { message: 'hello', n: [1, { deep: null }] }
    const { id, ...receipt } = await here.relay.resume('lobby', attributes)
    assert.match(id, /^\w+-\d+$/)
    assert.deepEqual(receipt, { woken: 1, elsewhere: 3, silent: 0 })
    for (const continuation of woken) {
      assert.equal(continuation.isResumed(), true)
      assert.equal(continuation.getAttribute('message'), 'hello')
      assert.deepEqual(continuation.getAttribute('n'), [1, { deep: null }])
    }
    assert.equal(other.isResumed(), false)
  })

  it('keys are told apart as in one process', async () => {
    const [here, there] = await pair()
    const keys: RelayKey[] = ['1', 1, true, 'true', null, 'null', undefined, '', 0, -1.5, 'ž "\n']
    for (const key of keys) there.wait(key)
    for (const key of keys) {
      const { woken, elsewhere } = await here.relay.resume(key)
      assert.deepEqual([woken, elsewhere], [0, 1], String(key))
    }
  })

  it('broadcast, and complete', async () => {
    const [here, there] = await pair()
    const all = [here.wait('a'), here.wait(), there.wait('b')]
    assert.deepEqual(
      { ...(await there.relay.broadcast({ n: 1 })), id: '' },
      { id: '', woken: 1, elsewhere: 2, silent: 0 },
    )
    assert.deepEqual(
      all.map((continuation) => continuation.getAttribute('n')),
      [1, 1, 1],
    )
    const done = [here.wait('a'), there.wait('a')]
    const { woken, elsewhere } = await here.relay.complete('a')
    assert.deepEqual([woken, elsewhere], [1, 1])
    assert.deepEqual(
      done.map(({ phase }) => phase),
      ['completed', 'completed'],
    )
  })

  it('fail: here with the error itself, elsewhere with one like it', async () => {
    const [here, there] = await pair()
    const hosts = [parked(), parked()] as const
    here.manager.stash(hosts[0].continuation, 'a')
    there.manager.stash(hosts[1].continuation, 'a')
    const error = Object.assign(new RangeError('closed'), {
      code: 'ERR_CLOSED',
      statusCode: 410,
      expose: true,
      headers: { 'X-Why': 'moved' },
      secret: 'stays here',
    })
    const ended = hosts.map(({ continuation }) => errorOf(continuation))
    const { woken, elsewhere } = await here.relay.fail('a', error)
    assert.deepEqual([woken, elsewhere], [1, 1])
    const [own, others] = (await Promise.all(ended)) as [Error, Error]
    assert.equal(own, error)
    assert.ok(others instanceof Error)
    assert.equal(others.message, 'closed')
    assert.deepEqual(
      { ...others },
      {
        name: 'RangeError',
        code: 'ERR_CLOSED',
        status: 410,
        statusCode: 410,
        expose: true,
        headers: { 'X-Why': 'moved' },
      },
    )
    await here.relay.fail('a', new Error('plain'))
  })

  describe('what JSON does not hold is refused', () => {
    class Own {
      n = 1
    }
    const circular: { self?: unknown } = {}
    circular.self = circular
    const ring: unknown[] = []
    ring.push(ring)
    const refused: Record<string, [attributes: object, path: string]> = {
      'a date': [{ at: new Date(0) }, 'attributes.at'],
      'a map, deep down': [{ list: [{ map: new Map() }] }, 'attributes.list[0].map'],
      'an instance of a class': [{ own: new Own() }, 'attributes.own'],
      NaN: [{ n: Number.NaN }, 'attributes.n'],
      Infinity: [{ n: [1, Number.POSITIVE_INFINITY] }, 'attributes.n[1]'],
      'a bigint': [{ n: 1n }, 'attributes.n'],
      'a function': [{ call: () => 1 }, 'attributes.call'],
      'a symbol': [{ symbol: Symbol('s') }, 'attributes.symbol'],
      'undefined in an array': [{ list: [undefined] }, 'attributes.list[0]'],
      'a hole in an array': [{ list: new Array(1) }, 'attributes.list[0]'],
      'a cycle': [{ circular }, 'attributes.circular.self'],
      'a cycle of arrays': [{ ring }, 'attributes.ring[0]'],
      'an array with properties of its own, as a match': [{ match: 'abc'.match(/b/) }, 'attributes.match'],
      'an array with its own toJSON': [{ list: Object.assign([1], { toJSON: () => 5 }) }, 'attributes.list'],
      'its own toJSON': [{ own: { toJSON: () => 5 } }, 'attributes.own'],
      'a symbol for a name': [{ own: { [Symbol('s')]: 1 } }, 'attributes.own'],
      'a buffer': [{ bytes: Buffer.from('x') }, 'attributes.bytes'],
    }
    for (const [what, [attributes, path]] of Object.entries(refused)) {
      it(`${what}: ERR_UNSERIALISABLE, which says where`, async () => {
        const { relay, wait } = await begin()
        const waiting = wait('a')
        await assert.rejects(relay.resume('a', attributes), {
          code: 'ERR_UNSERIALISABLE',
          name: 'UnserialisableError',
          path,
        })
        await assert.rejects(relay.broadcast(attributes), { code: 'ERR_UNSERIALISABLE', path })
        assert.equal(waiting.isResumed(), false)
      })
    }

    it('the error says what it is that JSON does not hold', async () => {
      const { relay } = await begin()
      for (const [attributes, text] of [
        [{ n: 1n }, 'attributes.n cannot be relayed to other processes: JSON does not hold 1n'],
        [{ ring }, 'attributes.ring[0] cannot be relayed to other processes: JSON does not hold what contains itself'],
        [
          { at: new Date(0) },
          'attributes.at cannot be relayed to other processes: JSON does not hold an instance of Date',
        ],
      ] as const) {
        await assert.rejects(relay.broadcast(attributes), { message: text })
      }
    })

    it('the same twice is no cycle, and an undefined property is one that is not there', async () => {
      const [here, there] = await pair()
      const waiting = there.wait()
      const twice = Object.assign(Object.create(null), { n: 1 })
      await here.relay.resume(undefined, { a: twice, b: [twice], c: undefined })
      assert.deepEqual([waiting.getAttribute('a'), waiting.getAttribute('b')], [{ n: 1 }, [{ n: 1 }]])
      assert.equal(waiting.getAttribute('c'), undefined)
    })

    it('keys, attributes and errors of a wrong type: ERR_INVALID_OPTION', async () => {
      const { relay } = await begin()
      for (const key of [{}, [], Symbol('s'), 1n, Number.NaN, Number.POSITIVE_INFINITY, () => {}]) {
        await assert.rejects(relay.resume(key as string), { code: 'ERR_INVALID_OPTION', name: 'TypeError' })
        await assert.rejects(relay.complete(key as string), { code: 'ERR_INVALID_OPTION' })
        await assert.rejects(relay.fail(key as string, new Error()), { code: 'ERR_INVALID_OPTION' })
      }
      for (const attributes of [5, null, [], 'text']) {
        await assert.rejects(relay.resume('a', attributes as object), { code: 'ERR_INVALID_OPTION' })
      }
      for (const error of [undefined, null, 'text', {}]) {
        await assert.rejects(relay.fail('a', error as Error), { code: 'ERR_INVALID_OPTION' })
      }
      const headers = { when: new Date(0) }
      await assert.rejects(relay.fail('a', Object.assign(new Error(), { headers })), { code: 'ERR_UNSERIALISABLE' })
    })

    it('options of a wrong type: ERR_INVALID_OPTION', () => {
      const manager = new ContinuationManager()
      const wrong: object[] = [
        { name: '' },
        { gather: -1 },
        { gather: '1s' },
        { gather: Number.POSITIVE_INFINITY },
        { clock: {} },
        { backlog: 5 },
        { backlog: { messages: 0 } },
        { onTrouble: 5 },
        { gathers: 5 },
      ]
      for (const options of wrong) assert.throws(() => new Relay(manager, log, options), { code: 'ERR_INVALID_OPTION' })
      assert.throws(() => new Relay({} as ContinuationManager, log), { code: 'ERR_INVALID_OPTION' })
      assert.throws(() => new Relay(manager, {} as Log), { code: 'ERR_INVALID_OPTION' })
    })
  })

  it('what was relayed before a process began is not done there', async () => {
    const { relay } = await begin({ gather: 0 })
    await relay.resume('a')
    const late = await begin({ gather: 0 })
    const waiting = late.wait('a')
    await relay.resume('b')
    assert.equal(waiting.isResumed(), false)
    await relay.resume('a')
    await until(() => waiting.isResumed())
  })

  it('attributes are as they were at the call, here and elsewhere', async () => {
    const [here, there] = await pair()
    const waiting = [here, there].flatMap(({ wait }) => [wait('a'), wait('b')])
    const attributes: { n: unknown; deep: number[] } = { n: 1, deep: [1] }
    const first = here.relay.resume('a', attributes)
    attributes.n = 2
    attributes.deep.push(2)
    const second = here.relay.resume('b', attributes)
    attributes.n = new Date(0)
    await Promise.all([first, second])
    assert.deepEqual(
      waiting.map((continuation) => [continuation.getAttribute('n'), continuation.getAttribute('deep')]),
      [1, 2, 1, 2].map((n) => [n, n === 1 ? [1] : [1, 2]]),
    )
  })

  it('relays of other names, and other channels of the log, are left alone', async () => {
    const [here, there] = [await begin({ gather: 0 }), await begin({ gather: 0, name: 'other' })]
    const waiting = there.wait('a')
    await here.relay.resume('a')
    await log.append('news', { data: '{"do":"resume","key":"a"}' }, { messages: 1, bytes: 100, age: 1_000 })
    await there.relay.resume('b')
    assert.equal(waiting.isResumed(), false)
    assert.equal(there.relay.others, 0)
  })

  it('a channel of the same name is another thing, whoever publishes there', async () => {
    const { relay, wait, trouble } = await begin()
    clock.advance(1_000)
    const waiting = wait('a')
    for (const name of ['relay', 'relay:receipts', 'relay:relay', 'receipts:relay']) {
      const room = new Channel(name, { log })
      await room.publish('hello')
      await room.publish({ by: 'x', n: 1, do: 'broadcast', tell: false })
      await relay.resume('b')
      assert.equal((await log.read(name, 'oldest')).messages.length, 2)
    }
    assert.deepEqual([relay.name, relay.others, waiting.isSuspended(), trouble], ['relay', 0, true, []])
    for (const name of [ENTRIES, RECEIPTS]) {
      assert.throws(() => new Channel(name, { log }), { code: 'ERR_INVALID_OPTION' })
    }
  })

  it('where two processes wake the same key at once, the same wins in both', async () => {
    const [here, there] = await pair({ gather: 0 })
    for (let round = 0; round < 20; round++) {
      const waiting = [here.wait('a'), there.wait('a')]
      await Promise.all([here.relay.resume('a', { by: 'here' }), there.relay.resume('a', { by: 'there' })])
      await until(() => waiting.every((continuation) => continuation.isResumed()))
      const [one, other] = waiting.map((continuation) => continuation.getAttribute('by'))
      assert.equal(one, other)
    }
  })

  describe('the receipt', () => {
    it('counts a process from when it has begun until it closes', async () => {
      const [here, there] = await pair()
      there.wait('a')
      assert.equal((await here.relay.resume('a')).elsewhere, 1)
      const third = await begin()
      third.wait('a')
      assert.equal((await here.relay.resume('a')).elsewhere, 1)
      await there.relay.close()
      third.wait('a')
      assert.deepEqual({ ...(await here.relay.resume('a')), id: '' }, { id: '', woken: 0, elsewhere: 1, silent: 0 })
      assert.equal(here.relay.others, 1)
    })

    it('waits for one that has ended without a word as long as `gather` says, once, and says that it is silent', async () => {
      const [here, there] = await pair({ gather: 500 })
      there.handle.stop()
      const waiting = there.wait('a')
      const asking = here.relay.resume('a')
      await until(() => clock.next === 500)
      clock.advance(500)
      assert.deepEqual({ ...(await asking), id: '' }, { id: '', woken: 0, elsewhere: 0, silent: 1 })
      assert.deepEqual({ ...(await here.relay.resume('b')), id: '' }, { id: '', woken: 0, elsewhere: 0, silent: 0 })

      // it only stood still: it does what it has missed, and is counted again
      assert.equal(waiting.isResumed(), false)
      there.handle.goOn()
      await until(() => waiting.isResumed() && here.relay.others === 1)
      there.wait('a')
      assert.equal((await here.relay.resume('a')).elsewhere, 1)
    })

    it('in the first moments, while it is not known who is there, waits for as long', async () => {
      await begin()
      const late = await begin()
      const asking = late.relay.resume('a')
      let answered = false
      void asking.then(() => {
        answered = true
      })
      await until(() => clock.timers > 2)
      assert.equal(answered, false)
      clock.advance(1_000)
      assert.equal((await asking).silent, 0)
    })

    it('one that leaves meanwhile is not waited for', async () => {
      const [here, there] = await pair()
      there.handle.stop()
      const asking = here.relay.resume('a')
      await until(() => clock.timers === 1)
      await there.relay.close()
      assert.deepEqual({ ...(await asking), id: '' }, { id: '', woken: 0, elsewhere: 0, silent: 0 })
    })

    it('one whose receipt is read only after it has left has left all the same', async () => {
      const [here, there] = await pair()
      there.wait('a')
      here.handle.stop(RECEIPTS)
      const asking = here.relay.resume('a')
      await until(() => there.manager.size === 0)
      await there.relay.close()
      await asking
      here.handle.goOn()
      const receipts = (await log.read(RECEIPTS, 'oldest')).messages.length
      assert.equal(receipts, 1)
      // a receipt of a third one comes behind it, so it has been read
      const third = await begin()
      third.wait('b')
      assert.deepEqual({ ...(await here.relay.resume('b')), id: '' }, { id: '', woken: 0, elsewhere: 1, silent: 0 })
      assert.equal(here.relay.others, 1)
    })

    it('does not wait for one that has begun behind the wake-up, and counts it the next time', async () => {
      const here = await begin()
      clock.advance(1_000)
      here.handle.stop()
      const asking = here.relay.resume('a')
      await turn()
      // both stand in the next reading
      const there = await begin()
      here.handle.goOn()
      assert.deepEqual({ ...(await asking), id: '' }, { id: '', woken: 0, elsewhere: 0, silent: 0 })
      there.wait('a')
      assert.deepEqual({ ...(await here.relay.resume('a')), id: '' }, { id: '', woken: 0, elsewhere: 1, silent: 0 })
    })

    it('with `gather` 0 nobody is asked', async () => {
      const [here, there] = await pair({ gather: 0 })
      const waiting = there.wait('a')
      assert.deepEqual(
        { ...(await here.relay.resume('a')), id: '' },
        { id: '', woken: 0, elsewhere: undefined, silent: 0 },
      )
      await until(() => waiting.isResumed())
      assert.deepEqual((await log.read(RECEIPTS, 'oldest')).messages, [])
    })
  })

  describe('a log in trouble', () => {
    class Shaky extends MemoryLog {
      failing = new Set<'append' | 'read' | 'tail'>()
      deaf = false
      twice = false

      #check(what: 'append' | 'read' | 'tail'): void {
        if (this.failing.has(what)) throw new LogError('ERR_LOG_AWAY', `no ${what}`)
      }
      override async append(...args: Parameters<Log['append']>) {
        this.#check('append')
        return super.append(...args)
      }
      override async read(...args: Parameters<Log['read']>) {
        this.#check('read')
        return super.read(...args)
      }
      override async tail(channel: string, ring: () => void) {
        this.#check('tail')
        return super.tail(channel, () => {
          if (this.deaf) return
          ring()
          if (this.twice) ring()
        })
      }
    }
    let shaky: Shaky
    beforeEach(() => {
      shaky = new Shaky()
      log = shaky
    })

    it('rings that are lost or doubled do no harm', async () => {
      const [here, there] = await pair({ gather: 0 })
      const waiting = ['a', 'b', 'c'].map((key) => there.wait(key))
      shaky.deaf = true
      for (const [n, key] of ['a', 'b'].entries()) {
        await log.append(ENTRIES, { data: JSON.stringify({ by: 'x', n, do: 'resume', key }) }, wide)
      }
      shaky.deaf = false
      shaky.twice = true
      await here.relay.resume('c')
      await until(() => waiting.every((continuation) => continuation.isResumed()))
      const again = there.wait('c')
      await here.relay.resume('d')
      assert.equal(again.isResumed(), false)
    })

    it('an append that fails wakes nobody', async () => {
      const [here, there] = await pair()
      const waiting = [here.wait('a'), there.wait('a')]
      shaky.failing.add('append')
      await assert.rejects(here.relay.resume('a'), { code: 'ERR_LOG_AWAY', message: 'no append' })
      assert.match(inspect(here.relay), /, 0 under way/)
      shaky.failing.clear()
      await here.relay.resume('b')
      assert.deepEqual(
        waiting.map((continuation) => continuation.isResumed()),
        [false, false],
      )
    })

    it('a log that cannot be read: the call fails in doubt, and the wake-up is done when it can', async () => {
      const [here, there] = await pair()
      const waiting = [here.wait('a'), there.wait('a')]
      shaky.failing.add('read')
      await assert.rejects(here.relay.resume('a', { n: 1 }), { code: 'ERR_LOG_AWAY', inDoubt: true, status: 503 })
      assert.equal(here.trouble[0]?.message, 'no read')
      assert.equal(clock.next, 1_000)
      shaky.failing.clear()
      clock.advance(1_000)
      await until(() => waiting.every((continuation) => continuation.isResumed()))
      assert.equal(waiting[0]?.getAttribute('n'), 1)
    })

    it('one that is away in the beginning is tried every second, and calls fail meanwhile', async () => {
      shaky.failing.add('tail')
      const manager = new ContinuationManager()
      const trouble: Error[] = []
      const relay = new Relay(manager, log, { clock, gather: 0, onTrouble: (error) => trouble.push(error) })
      relays.push(relay)
      await assert.rejects(relay.ready(), { message: 'no tail' })
      await assert.rejects(relay.resume('a'), { message: 'no tail' })
      await until(() => clock.next === 1_000)
      clock.advance(1_000)
      await until(() => trouble.length === 2 && clock.next === 1_000)
      shaky.failing.clear()
      clock.advance(1_000)
      const { continuation } = parked()
      manager.stash(continuation, 'a')
      const other = await begin({ gather: 0 })
      await until(() => relay.others === 1)
      await other.relay.resume('a')
      await until(() => continuation.isResumed())
    })

    it('wake-ups that were missed are told, and own ones are done all the same', async () => {
      const [here, there] = await pair({ gather: 0, backlog: { messages: 2 } })
      there.handle.stop()
      const waiting = ['a', 'b', 'c'].map((key) => there.wait(key))
      const own = there.wait('own')
      const relaying = there.relay.resume('own')
      await turn()
      for (const key of ['a', 'b', 'c']) await here.relay.resume(key)
      there.handle.goOn()
      assert.equal((await relaying).woken, 1)
      assert.deepEqual(
        [...waiting, own].map((continuation) => continuation.isResumed()),
        [false, true, true, true],
      )
      assert.equal(there.trouble.length, 1)
      assert.ok(there.trouble[0] instanceof RelayGapError)
      assert.deepEqual([there.trouble[0].code, there.trouble[0].gap], ['ERR_RELAY_GAP', 'trimmed'])
      assert.deepEqual(here.trouble, [])
    })

    it('an entry that nobody understands is told, and keeps none of those behind it', async () => {
      const { relay, wait, trouble } = await begin({ gather: 0 })
      const waiting = wait('a')
      const entries = [
        '{',
        'null',
        '"hello"',
        '{"by":5,"n":1,"do":"join"}',
        '{"by":"y","do":"join"}',
        '{"by":"y","n":"1","do":"join"}',
        '{"by":"y","n":1,"do":"dance"}',
        '{"by":"x","n":1,"do":"resume","attributes":5}',
      ]
      for (const data of entries) await log.append(ENTRIES, { data }, wide)
      await relay.resume('a')
      assert.equal(waiting.isResumed(), true)
      assert.deepEqual([trouble.length, relay.others], [entries.length, 1])
    })

    it('a receipt that nobody understands is told, and keeps none of those behind it', async () => {
      const [here, there] = await pair()
      const receipts = ['{', 'null', '"hello"', '{"to":"x","by":5,"n":1,"woken":1}', '{"to":"x","by":"y","n":1}']
      for (const data of receipts) await log.append(RECEIPTS, { data }, wide)
      there.wait('a')
      assert.equal((await here.relay.resume('a')).elsewhere, 1)
      assert.equal(here.trouble.length, receipts.length)
    })

    it('an onTrouble that throws breaks nothing', async () => {
      const { relay, wait } = await begin({
        gather: 0,
        onTrouble: () => {
          throw new Error('mine')
        },
      })
      const waiting = wait('a')
      await log.append(ENTRIES, { data: '{' }, wide)
      await relay.resume('a')
      assert.equal(waiting.isResumed(), true)
    })
  })

  describe('a log that gives once more what it has given', () => {
    /** As one in a database that was put back to an older state. */
    class Losing implements Log {
      #kept = new MemoryLog({ epoch: () => 'e' })
      readonly #bells = new Set<() => void>()

      async append(...args: Parameters<Log['append']>) {
        const at = await this.#kept.append(...args)
        for (const ring of this.#bells) ring()
        return at
      }
      read(...args: Parameters<Log['read']>) {
        return this.#kept.read(...args)
      }
      async tail(_channel: string, ring: () => void) {
        this.#bells.add(ring)
        return () => void this.#bells.delete(ring)
      }
      close() {
        return this.#kept.close()
      }

      /** So many of the newest. */
      async lose(entries: number, receipts: number): Promise<void> {
        const kept = new MemoryLog({ epoch: () => 'e' })
        for (const [channel, count] of [
          [ENTRIES, entries],
          [RECEIPTS, receipts],
        ] as const) {
          const { messages } = await this.#kept.read(channel, 'oldest')
          for (const { data } of messages.slice(0, messages.length - count)) await kept.append(channel, { data }, wide)
        }
        this.#kept = kept
      }
    }
    let losing: Losing
    beforeEach(() => {
      losing = new Losing()
      log = losing
    })

    /** Waits, and in the moment in which it is woken once more. */
    const waitTwice = ({ wait }: Process, key: string): Continuation[] => {
      const waiting = [wait(key)]
      waiting[0]?.addContinuationListener({ onResume: () => void waiting.push(wait(key)) })
      return waiting
    }
    const areResumed = (waiting: Continuation[]): boolean[] => waiting.map((one) => one.isResumed())

    it('its newest entries are lost: nobody does again what is still there, and what is new once', async () => {
      const [here, there] = await pair({ gather: 0 })
      await here.relay.resume('a', { message: 'old' })
      await there.relay.fail('a', new Error('old'))
      await there.relay.broadcast({ message: 'old' })
      const last = there.wait('y')
      for (const key of ['x', 'x', 'y']) await here.relay.resume(key)
      await until(() => last.isResumed())

      await losing.lose(3, 0)
      const waiting = [here.wait('a'), there.wait('a')]
      const woken = [waitTwice(here, 'b'), waitTwice(there, 'b')]
      const behind = there.wait('c')
      await here.relay.resume('b', { message: 'new' })
      await here.relay.resume('c')
      await until(() => behind.isResumed())
      assert.deepEqual(
        waiting.map((one) => one.isSuspended()),
        [true, true],
      )
      assert.deepEqual(woken.map(areResumed), [
        [true, false],
        [true, false],
      ])
      assert.deepEqual(
        [here, there].map(({ trouble }) => trouble.map((error) => (error as RelayGapError).gap)),
        [['future'], ['future']],
      )
    })

    it('nor does one that has begun behind that', async () => {
      const here = await begin({ gather: 0 })
      await here.relay.broadcast({ message: 'old' })
      const late = await begin({ gather: 0 })
      await until(() => late.relay.others === 1)
      const last = late.wait('y')
      for (const key of ['x', 'y']) await here.relay.resume(key)
      await until(() => last.isResumed())

      // all that has come since it has begun
      await losing.lose(4, 0)
      const [waiting, woken] = [late.wait('a'), late.wait('b')]
      await here.relay.resume('b')
      await until(() => woken.isResumed())
      assert.equal(waiting.isSuspended(), true)
    })

    it('who was forgotten is not heard of by old entries and receipts, and nobody is answered again', async () => {
      const [here, there, third] = (await several(3)) as [Process, Process, Process]
      await here.relay.resume('a')
      third.handle.stop()
      const asking = here.relay.resume('b')
      await until(() => clock.next === 1_000)
      clock.advance(1_000)
      assert.equal((await asking).silent, 1)
      for (const key of ['c', 'd']) await here.relay.resume(key)
      const answers = (await relayed()).filter((what) => what === 'here').length

      await losing.lose(2, 2)
      there.wait('e')
      assert.deepEqual({ ...(await here.relay.resume('e')), id: '' }, { id: '', woken: 0, elsewhere: 1, silent: 0 })
      assert.equal(here.relay.others, 1)
      assert.equal((await relayed()).filter((what) => what === 'here').length, answers)
      third.handle.goOn()
    })

    it('an append that was done twice wakes once', async () => {
      class Twice extends MemoryLog {
        override async append(...args: Parameters<Log['append']>) {
          await super.append(...args)
          return super.append(...args)
        }
      }
      log = new Twice()
      const [here, there] = await pair()
      const woken = [waitTwice(here, 'a'), waitTwice(there, 'a')]
      assert.deepEqual({ ...(await here.relay.resume('a')), id: '' }, { id: '', woken: 1, elsewhere: 1, silent: 0 })
      await here.relay.resume('b')
      assert.deepEqual(woken.map(areResumed), [
        [true, false],
        [true, false],
      ])
    })
  })

  for (const [what, backlog, attributes] of [
    ['messages', { messages: 20 }, {}],
    ['bytes', { bytes: 2_000 }, { message: 'x'.repeat(100) }],
    ['bytes, each more than all that is kept at once', { bytes: 200 }, { message: 'x'.repeat(110) }],
  ] as const) {
    it(`a burst of more ${what} than are kept reaches everybody, in order`, async () => {
      const [here, there] = await pair({ backlog })
      const woken: [number[], number[]] = [[], []]
      const waiting = [here, there].flatMap(({ wait }, place) =>
        Array.from({ length: 60 }, (_, key) => {
          const continuation = wait(key)
          continuation.addContinuationListener({ onResume: () => woken[place as 0 | 1].push(key) })
          return continuation
        }),
      )
      const receipts = await Promise.all(Array.from({ length: 60 }, (_, key) => here.relay.resume(key, attributes)))
      assert.deepEqual(
        new Set(receipts.map(({ woken, elsewhere, silent }) => `${woken} ${elsewhere} ${silent}`)),
        new Set(['1 1 0']),
      )
      assert.deepEqual([woken[0], woken[1]], [[...woken[0]].sort((one, other) => one - other), woken[0]])
      assert.deepEqual([waiting.filter((one) => !one.isResumed()), here.trouble, there.trouble], [[], [], []])
    })
  }

  it('a burst that stands in line when it closes fails, all of it', async () => {
    const [here] = await pair({ gather: 0, backlog: { messages: 4 } })
    here.handle.stop()
    const relaying = Array.from({ length: 20 }, (_, key) =>
      assert.rejects(here.relay.resume(key), { code: 'ERR_LOG_CLOSED' }),
    )
    await turn()
    await here.relay.close()
    await Promise.all(relaying)
    here.handle.goOn()
  })

  it('after close() calls fail with ERR_LOG_CLOSED, and so do those that wait; nothing reaches it any more', async () => {
    const [here, there] = await pair({ gather: 0 })
    here.handle.stop()
    const waiting = here.wait('a')
    const relaying = assert.rejects(here.relay.resume('a'), { code: 'ERR_LOG_CLOSED', inDoubt: true })
    await turn()
    await here.relay.close()
    await here.relay.close()
    await relaying
    here.handle.goOn()
    await assert.rejects(here.relay.resume('a'), { code: 'ERR_LOG_CLOSED' })
    await assert.rejects(here.relay.ready(), { code: 'ERR_LOG_CLOSED' })
    await there.relay.resume('a')
    assert.equal(waiting.isResumed(), false)
  })

  it('a call that was just made when it closes fails too, and nothing stands in the log behind its leave', async () => {
    const { relay } = await begin()
    const relaying = assert.rejects(relay.resume('a'), { code: 'ERR_LOG_CLOSED', inDoubt: false })
    await relay.close()
    await relaying
    assert.deepEqual(await relayed(), ['join', 'leave'])
  })

  it('closed before it has begun it does not join, and calls that wait for that fail', async () => {
    const handle = new Handle(log)
    handle.stop()
    const relay = new Relay(new ContinuationManager(), handle, { clock, onTrouble: assert.fail })
    relays.push(relay)
    const relaying = assert.rejects(relay.resume('a'), { code: 'ERR_LOG_CLOSED', inDoubt: false })
    await turn()
    await relay.close()
    handle.goOn()
    await relaying
    await assert.rejects(relay.ready(), { code: 'ERR_LOG_CLOSED' })
    assert.deepEqual(await relayed(), ['leave'])
  })

  it('closed by a listener: what was read together with that wake-up is not done any more', async () => {
    const [here, there] = await pair({ gather: 0 })
    const [first, second] = [here.wait('a'), here.wait('b')]
    first.addContinuationListener({ onResume: () => here.relay.close() })
    here.handle.stop()
    // the first ring finds it at its reading, so both stand in the next
    for (const key of ['c', 'a', 'b']) await there.relay.resume(key)
    here.handle.goOn()
    await until(() => first.isResumed() && there.relay.others === 0)
    assert.equal(second.isResumed(), false)
  })

  it('shows itself', async () => {
    const [here] = await pair()
    here.wait('a')
    assert.equal(inspect(here.relay), 'Relay { "relay", 1 other processes, 1 waiting here, 0 under way }')
  })
})

/** What a continuation that waits is ended with. */
function errorOf(continuation: Continuation): Promise<Error> {
  return new Promise((resolve) => {
    continuation.addContinuationListener({ onError: (_: Continuation, error: unknown) => resolve(error as Error) })
  })
}
