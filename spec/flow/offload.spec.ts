import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { threadId } from 'node:worker_threads'
import type Koa from 'koa'
import { type Offload, type OffloadOptions, offload } from '../../src/flow/offload.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Scene, scene } from '../support/scene.js'
import type * as tasks from './offload-tasks.js'

const file = new URL('offload-tasks.ts', import.meta.url)
/** TypeScript for threads, and nothing else: they begin in half the time. */
const execArgv = ['--require', 'tsx/cjs']
const idle = { running: 0, waiting: 0, abandoned: 0 }

/** Shared with the threads: whether they may go on, and how many have begun. */
const flags = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
const begun = (flag: Int32Array, count: number): Promise<void> => until(() => Atomics.load(flag, 1) === count)
function release(flag: Int32Array): void {
  Atomics.store(flag, 0, 1)
  Atomics.notify(flag, 0)
}

describe('offload', () => {
  let close: () => Promise<void>
  let stage: Scene | undefined

  function off<Name extends keyof typeof tasks>(name: Name, options: OffloadOptions = {}) {
    type Task = (typeof tasks)[Name] extends (task: never) => unknown ? (typeof tasks)[Name] : never
    const made = offload<Task>(file, { export: name, name, threads: 1, pool: { execArgv }, ...options })
    close = made.close
    return made
  }

  afterEach(async () => {
    await stage?.close()
    stage = undefined
    await close?.()
  })

  describe('what runs', () => {
    it('the default export, or the one that is named, in another thread', async () => {
      const double = offload<typeof tasks.default>(file, { threads: 1 })
      assert.equal(await double(21), 42)
      await double.close()
      const thread = await off('thread')()
      assert.notEqual(thread, threadId)
    })

    it('of CommonJS too, by an absolute path', async () => {
      const { mkdtemp, rm, writeFile } = await import('node:fs/promises')
      const { tmpdir } = await import('node:os')
      const folder = await mkdtemp(join(tmpdir(), 'offload-'))
      for (const [name, code, expected] of [
        ['whole', 'module.exports = (task) => task + 1', 2],
        ['named', 'exports.add = (task) => task + 2', 3],
      ] as const) {
        await writeFile(join(folder, `${name}.cjs`), code)
        const run = offload(join(folder, `${name}.cjs`), {
          pool: { execArgv },
          export: name === 'named' ? 'add' : 'default',
        })
        assert.equal(await run(1), expected)
        await run.close()
      }
      await rm(folder, { recursive: true })
    })

    it('in the same thread again, and in no more of them than it may', async () => {
      const thread = off('thread', { threads: 2 })
      const ids = await Promise.all(Array.from({ length: 10 }, () => thread(undefined)))
      assert.ok(new Set(ids).size <= 2, ids.join())
      assert.deepEqual(thread.stats(), idle)
    })

    it('what is in the transferList is moved, not copied', async () => {
      const size = off('size')
      const [copied, moved] = [new ArrayBuffer(1_000), new ArrayBuffer(1_000)]
      assert.equal(await size(copied), 1_000)
      assert.equal(await size(moved, { transferList: [moved] }), 1_000)
      assert.deepEqual([copied.byteLength, moved.byteLength], [1_000, 0])
    })

    it('a task that cannot be copied: the error is the caller’s, and the place is free', async () => {
      const reject = off('reject')
      await assert.rejects(
        reject(() => {}),
        { name: 'DataCloneError' },
      )
      assert.deepEqual(reject.stats(), idle)
    })
  })

  describe('errors', () => {
    it('come with message, stack, cause, name, and what else they carry and can be sent', async () => {
      const error = await off('fail')(undefined).then(assert.fail, (error) => error)
      assert.ok(error instanceof Error)
      assert.match(String(error.stack), /offload-tasks\.ts/)
      const { message, name, status, expose, code, notes, cause } = error as Error & Record<string, unknown>
      assert.deepEqual(
        { message, name, status, expose, code, notes },
        {
          message: 'short and stout',
          name: 'TeapotError',
          status: 418,
          expose: true,
          code: 'ERR_TEAPOT',
          notes: { short: true },
        },
      )
      assert.equal((cause as Error).message, 'tipped over')
    })

    it('of the platform too', async () => {
      const error = await off('decode')('%').then(assert.fail, (error) => error)
      assert.ok(error instanceof Error)
      assert.deepEqual([error.name, error.message], ['InvalidCharacterError', 'Invalid character'])
      assert.match(String(error.stack), /offload-tasks\.ts/)
    })

    it('whatever their cause is: the thread is not lost', async () => {
      const fail = off('failBecause')
      const causes: unknown[] = []
      for (const what of ['function', 'deep', 'decode']) {
        const error = await fail(what).then(assert.fail, (error) => error)
        assert.ok(error instanceof Error)
        const { message, name, status, cause } = error as Error & { status?: number }
        assert.deepEqual([message, name, status], ['why', 'RangeError', 422])
        causes.push(cause)
      }
      const [text, deep, platform] = causes as [string, Error, Error]
      assert.match(text, /atob/)
      assert.equal(deep.message, 'deep')
      assert.match(String(deep.cause), /atob/)
      assert.equal(platform.message, 'Invalid character')
    })

    it('with those that they stand for', async () => {
      const error = await off('failTogether')(undefined).then(assert.fail, (error) => error)
      const { name, message, errors } = error as AggregateError
      assert.deepEqual([name, message], ['AggregateError', 'many'])
      const [one, two, text, number] = errors
      assert.ok(one instanceof TypeError && two instanceof Error)
      assert.deepEqual([one.message, two.message, number], ['one', 'two', 3])
      assert.match(String(two.cause), /atob/)
      assert.match(text, /atob/)
    })

    it('without what cannot be read', async () => {
      const error = await off('failWithGetter')(undefined).then(assert.fail, (error) => error)
      assert.deepEqual([error.message, error.status, 'broken' in error], ['me', 422, false])
    })

    it('and what is none comes as it is, or as text where it cannot be sent', async () => {
      const reject = off('reject')
      assert.deepEqual(await reject({ odd: 1 }).catch((error) => error), { odd: 1 })
      assert.equal(await reject(undefined).catch((error) => error), undefined)
      await close()
      assert.match(await off('throwFunction')(undefined).catch((error) => error), /^\(\) ?=> ?["']what["']$/)
    })

    it('a file that is not there, or has no such function', async () => {
      const missing = offload(new URL('missing.js', import.meta.url), { pool: { execArgv } })
      await assert.rejects(missing(1), { code: 'ERR_MODULE_NOT_FOUND' })
      await missing.close()
      await assert.rejects(off('notAFunction')(undefined as never), /has no function notAFunction/)
    })

    for (const [name, task, message] of [
      ['giveFunction', undefined, /cannot be copied/],
      ['exit', 3, /exited with code: 3/],
      ['crash', undefined, /outside of the task/],
    ] as const) {
      it(`${name}: the thread is lost, the caller hears of it, and the next task has another thread`, async () => {
        const run = off(name) as Offload<unknown, unknown>
        for (let time = 0; time < 2; time++) await assert.rejects(run(task), message)
        assert.deepEqual(run.stats(), idle)
      })
    }

    it('threads that cannot even begin: the caller hears of it', async () => {
      const broken = ['--import', 'data:text/javascript,throw new Error("not today")']
      const run = off('default', { pool: { execArgv: broken } })
      await assert.rejects(run(1), /not today/)
      assert.deepEqual(run.stats(), idle)
    })

    it('a task whose caller has heard that no thread can begin is not run when one can', async () => {
      const env: NodeJS.ProcessEnv = { ...process.env }
      const code = encodeURIComponent('if (!process.env.MAY_BEGIN) throw new Error("not today")')
      const imported = ['--import', `data:text/javascript,${code}`]
      const block = off('block', { pool: { env, execArgv: [...execArgv, ...imported] } })
      const [refused, asked] = [flags(), flags()]
      for (const flag of [refused, asked]) release(flag)
      await assert.rejects(block(refused), /not today/)
      env['MAY_BEGIN'] = 'yes'
      assert.equal(await block(asked), 'released')
      assert.equal(Atomics.load(refused, 1), 0)
    })

    it('threads that exit as they begin, without an error: the caller hears of it', async () => {
      const broken = ['--import', 'data:text/javascript,process.exit(3)']
      const run = off('default', { pool: { execArgv: broken } })
      for (let time = 0; time < 2; time++) await assert.rejects(run(1), /before it could take the task/)
      assert.deepEqual(run.stats(), idle)
    })
  })

  describe('a lane of as many places as threads', () => {
    it('one more than maxWaiting is refused: 503', async () => {
      const flag = flags()
      const block = off('block', { maxWaiting: 1 })
      const running = [block(flag), block(flag)]
      assert.deepEqual(block.stats(), { running: 1, waiting: 1, abandoned: 0 })
      assert.equal(inspect(block), 'Offload { block: 1 of 1 running, 1 of 1 waiting }')
      await assert.rejects(block(flag), { code: 'ERR_LANE_FULL', status: 503, lane: 'block' })
      release(flag)
      assert.deepEqual(await Promise.all(running), ['released', 'released'])
    })

    it('aborted in line: it never runs', async () => {
      const flag = flags()
      const block = off('block')
      const running = block(flag)
      const leaver = new AbortController()
      const second = block(flag, { signal: leaver.signal })
      await begun(flag, 1)
      leaver.abort(new Error('left'))
      await assert.rejects(second, { message: 'left' })
      release(flag)
      await running
      assert.equal(Atomics.load(flag, 1), 1)
    })

    it('aborted while it runs: its thread is ended, and only then is the place free', async () => {
      const flag = flags()
      const spin = off('spin', { patience: 0 })
      const leaver = new AbortController()
      const first = spin(flag, { signal: leaver.signal })
      await begun(flag, 1)
      leaver.abort(new Error('left'))
      await assert.rejects(first, { message: 'left' })
      assert.deepEqual(spin.stats(), { running: 1, waiting: 0, abandoned: 0 })
      await until(() => spin.stats().running === 0)
      // the next one has a thread of its own
      const again = new AbortController()
      const second = spin(flag, { signal: again.signal })
      await begun(flag, 2)
      again.abort(new Error('left too'))
      await assert.rejects(second, { message: 'left too' })
    })

    it('one that comes to its end within the patience keeps its thread', async () => {
      const clock = new ManualClock()
      const flag = flags()
      const block = off('block', { clock, patience: 100 })
      const leaver = new AbortController()
      const first = block(flag, { signal: leaver.signal })
      await begun(flag, 1)
      leaver.abort(new Error('left'))
      await assert.rejects(first, { message: 'left' })
      clock.advance(99)
      release(flag)
      await until(() => block.stats().running === 0)
      assert.equal(clock.timers, 0)
    })

    it('and for ever, where that is Infinity', async () => {
      const clock = new ManualClock()
      const flag = flags()
      const block = off('block', { clock, patience: Number.POSITIVE_INFINITY, grace: 50 })
      const leaver = new AbortController()
      const first = block(flag, { signal: leaver.signal })
      await begun(flag, 1)
      leaver.abort(new Error('left'))
      await assert.rejects(first, { message: 'left' })
      clock.advance(1e9)
      assert.deepEqual(block.stats(), { running: 0, waiting: 0, abandoned: 1 })
      release(flag)
      await until(() => block.stats().abandoned === 0)
    })

    it('one that is aborted before its thread has begun ends no thread', async () => {
      const thread = off('thread', { patience: 0 })
      const leaver = new AbortController()
      const first = thread(undefined, { signal: leaver.signal })
      leaver.abort(new Error('left'))
      await assert.rejects(first, { message: 'left' })
      await until(() => thread.stats().running === 0)
      assert.equal(typeof (await thread(undefined)), 'number')
    })

    describe('a place that is given away while its function still runs', () => {
      let clock: ManualClock
      let held: Int32Array
      let free: Int32Array
      beforeEach(() => {
        clock = new ManualClock()
        held = flags()
        free = flags()
        release(free)
      })
      afterEach(() => assert.equal(clock.timers, 0))

      async function giveUp(run: Offload<Int32Array, unknown>): Promise<void> {
        const leaver = new AbortController()
        const running = run(held, { signal: leaver.signal })
        await begun(held, 1)
        leaver.abort(new Error('left'))
        await assert.rejects(running, { message: 'left' })
        clock.advance(1)
        assert.deepEqual(run.stats(), { running: 0, waiting: 0, abandoned: 1 })
      }

      it('whoever has it next runs as soon as the thread has ended, in a new one', async () => {
        const block = off('block', { clock, grace: 1, patience: 100 })
        await giveUp(block)
        const next = block(free)
        assert.deepEqual(block.stats(), { running: 1, waiting: 0, abandoned: 1 })
        clock.advance(99)
        assert.equal(await next, 'released')
        assert.equal(Atomics.load(free, 1), 1)
        assert.deepEqual(block.stats(), idle)
      })

      it('or has ended by itself', async () => {
        const run = off('blockAndExit', { clock, grace: 1, patience: Number.POSITIVE_INFINITY })
        await giveUp(run)
        const next = run(free)
        release(held)
        await assert.rejects(next, /exited with code: 3/)
        assert.equal(Atomics.load(free, 1), 1)
        assert.deepEqual(run.stats(), idle)
      })

      it('and is not run where nobody waits for it any more by then', async () => {
        const block = off('block', { clock, grace: 1, patience: Number.POSITIVE_INFINITY })
        await giveUp(block)
        const leaver = new AbortController()
        const next = block(free, { signal: leaver.signal })
        leaver.abort(new Error('left too'))
        await assert.rejects(next, { message: 'left too' })
        await until(() => block.stats().running === 0)
        assert.deepEqual(block.stats(), { running: 0, waiting: 0, abandoned: 1 })
        release(held)
        const last = flags()
        release(last)
        assert.equal(await block(last), 'released')
        assert.equal(Atomics.load(free, 1), 0)
        assert.deepEqual(block.stats(), idle)
      })
    })

    it('its time is up: ERR_LANE_TIMEOUT, and the thread is ended', async () => {
      const clock = new ManualClock()
      const flag = flags()
      const spin = off('spin', { clock, timeout: 100, patience: 10 })
      const running = spin(flag)
      await begun(flag, 1)
      clock.advance(100)
      await assert.rejects(running, { code: 'ERR_LANE_TIMEOUT', lane: 'spin' })
      clock.advance(10)
      await until(() => spin.stats().running === 0)
    })
  })

  describe('for requests', () => {
    const answers = (run: Offload<Int32Array, string>, flag: Int32Array): Koa.Middleware => {
      return async (ctx) => {
        const { continuation, path } = ctx
        if (path === '/probe') ctx.body = 'alive'
        else if (path === '/wait') ctx.body = await run.waitFor(continuation, flag)
        else if (continuation.isInitial()) run.returnWhen(continuation, flag, { priority: 1 })
        else ctx.body = continuation.resultOf('block')
      }
    }

    it('in both styles: put aside while it runs, and meanwhile others are answered', async () => {
      const flag = flags()
      stage = await scene(answers(off('block', { threads: 2 }), flag))
      const asking = [stage.get('/'), stage.get('/wait')]
      await begun(flag, 2)
      assert.equal((await stage.get('/probe')).body, 'alive')
      release(flag)
      assert.deepEqual(
        (await Promise.all(asking)).map(({ body }) => body),
        ['released', 'released'],
      )
    })

    for (const path of ['/', '/wait']) {
      it(`${path}: a client that leaves takes its function along, in line and in its thread`, async () => {
        const flag = flags()
        const spin = off('spin', { patience: 0 }) as Offload<Int32Array, string>
        stage = await scene(answers(spin, flag))
        const running = stage.get(path)
        await begun(flag, 1)
        const waiting = stage.get(path)
        await until(() => spin.stats().waiting === 1)
        waiting.request.destroy()
        await until(() => spin.stats().waiting === 0)
        running.request.destroy()
        await until(() => spin.stats().running === 0)
        assert.equal(Atomics.load(flag, 1), 1)
        for (const error of stage.errors as { code?: string }[]) assert.equal(error.code, 'ERR_CLIENT_DISCONNECTED')
      })
    }

    it('an error decides the answer by its status', async () => {
      const fail = off('fail')
      stage = await scene(async (ctx) => {
        ctx.body = await fail.waitFor(ctx.continuation, undefined)
      })
      const { status, body } = await stage.get('/')
      assert.deepEqual([status, body], [418, 'short and stout'])
    })

    it('one that the handler has let go of ends nothing but itself', async () => {
      const fail = off('fail')
      stage = await scene((ctx) => {
        void fail.waitFor(ctx.continuation, undefined)
        ctx.body = 'gone on'
      })
      assert.equal((await stage.get('/')).body, 'gone on')
      await until(() => fail.stats().running === 0)
    })
  })

  it('has the name of its file, as it is written', () => {
    for (const name of ['hash', 'größe', 'a b#c%20', 'hash.min']) {
      for (const where of [join('/tasks', `${name}.js`), pathToFileURL(join('/tasks', `${name}.js`))]) {
        assert.equal(inspect(offload(where, { threads: 2 })), `Offload { ${name}: 0 of 2 running, 0 of 1000 waiting }`)
      }
    }
  })

  it('with an idle time that is longer than timers go, its thread does not end at once', async () => {
    const warnings: string[] = []
    const warned = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', warned)
    const thread = off('thread', { idle: 2 ** 31 })
    const id = await thread(undefined)
    // a timer that cannot be so long says so in the next turn
    for (let turns = 0; turns < 3; turns++) await turn()
    process.off('warning', warned)
    assert.deepEqual(warnings, [])
    assert.equal(await thread(undefined), id)
  })

  it('no thread is started before the first task, and none is left after the end', async () => {
    const thread = off('thread')
    await thread.close()
    await assert.rejects(thread(undefined), { code: 'ERR_LANE_CLOSED', status: 503 })
  })

  it('closed while it runs: it comes to its end, and so do those in line', async () => {
    const flag = flags()
    const block = off('block')
    const running = [block(flag), block(flag)]
    await begun(flag, 1)
    const closed = block.close()
    await assert.rejects(block(flag), { code: 'ERR_LANE_CLOSED' })
    release(flag)
    assert.deepEqual(await Promise.all(running), ['released', 'released'])
    await closed
  })

  it('wrong options: errors with a code', () => {
    const code = 'ERR_INVALID_OPTION'
    for (const wrong of [
      undefined,
      'hash.js',
      './hash.js',
      'https://localhost/hash.js',
      new URL('data:,x'),
      new URL('file://host/hash.js'),
      7,
    ]) {
      assert.throws(() => offload(wrong as never), { code, message: /import\.meta\.url/ })
    }
    for (const options of [
      { threads: 0 },
      { threads: 1.5 },
      { idle: -1 },
      { patience: 'none' },
      { export: 5 },
      { name: 5 },
      { pool: 5 },
      { pool: [] },
      { pool: { resourceLimits: 5 } },
      { pool: { maxThreads: 64 } },
      { pool: { filename: 'own.js' } },
      { maxWaiting: -1 },
      { clock: {} },
      { random: 0.5 },
      { concurrency: 5 },
    ]) {
      assert.throws(() => offload(file, options as never), { code }, inspect(options))
    }
  })

  it('wrong options of a call: errors with a code, in every style', async () => {
    const code = 'ERR_INVALID_OPTION'
    const run = off('default')
    for (const wrong of [
      null,
      5,
      [],
      { foo: 1 },
      { transferList: 5 },
      { transferList: null },
      { transferList: 'ab' },
      { priority: 'high' },
    ] as never[]) {
      await assert.rejects(run(1, wrong), { code }, inspect(wrong))
      await assert.rejects(run.waitFor({} as never, 1, wrong), { code }, inspect(wrong))
      assert.throws(() => run.returnWhen({} as never, 1, wrong), { code }, inspect(wrong))
    }
    await assert.rejects(run(1, { foo: 1 } as never), { message: /it takes priority, signal, transferList/ })
    assert.deepEqual(run.stats(), idle)
  })
})
