import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp, type FanOutApp, type FanOutOptions } from '../../examples/fan-out/app.js'
import { createServices, type Name, names } from '../../examples/fan-out/services.js'
import { type Gate, gate, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Answer, type Served, serve } from '../support/serve.js'
import { ask, endAll, run } from './run-example.js'

const idle = { running: 0, waiting: 0, abandoned: 0 }

describe('the fan-out example', () => {
  let clock: ManualClock
  let services: Server
  let trips: FanOutApp
  let served: Served
  /** The calls that are under way, by service, with what ends each. */
  let calls: Record<Name, { signal: AbortSignal; gate: Gate }[]>
  /** Services that fail. */
  let failing: Name[]

  beforeEach(() => {
    failing = []
    calls = { weather: [], trains: [], hotels: [], sights: [], news: [] }
  })

  async function open(options: FanOutOptions = {}): Promise<void> {
    clock = new ManualClock()
    let last: Name | undefined
    services = createServices({
      wait: async (name, signal) => {
        const call = { signal, gate: gate() }
        calls[name].push(call)
        await call.gate
        last = name
      },
      // below the share of failures, for those that are to fail
      random: () => (last !== undefined && failing.includes(last) ? 0 : 1),
    })
    await new Promise<void>((resolve) => services.listen(0, '127.0.0.1', resolve))
    trips = createApp(`http://127.0.0.1:${(services.address() as AddressInfo).port}`, { clock, ...options })
    served = await serve(trips.app)
  }

  afterEach(async () => {
    for (const name of names) for (const call of calls[name]) call.gate.open()
    await served?.close()
    await new Promise((resolve) => {
      services?.close(resolve)
      services?.closeAllConnections()
    })
    endAll()
    assert.deepEqual(served.errors, [])
    for (const name of names) assert.deepEqual(trips.work.stats()[name], idle)
    assert.equal(clock.timers, 0)
  })

  const asked = (count = 1, of: readonly Name[] = names): Promise<void> =>
    until(() => of.every((name) => calls[name].length === count))
  const answer = (...of: Name[]): void => {
    for (const name of of) calls[name].at(-1)?.gate.open()
  }
  const told = ({ status, body }: Answer): Record<string, unknown> => {
    const { ms, answers, ...rest } = JSON.parse(body)
    return { status, ...rest, answered: Object.keys(answers), ms: Object.keys(ms) }
  }
  const ms = ['total', 'handler']

  it('all are asked at the same time; the answer comes when all have spoken', async () => {
    await open()
    const asking = served.get('/trip/Porto')
    await asked()
    answer('news', 'weather', 'hotels', 'trains', 'sights')
    assert.deepEqual(told(await asking), { status: 200, city: 'Porto', ms, answered: [...names], missing: {} })
  })

  it('the time is up: what there is, and the others are given up', async () => {
    await open()
    const asking = served.get('/trip/Porto')
    await asked()
    failing = ['sights']
    answer('weather')
    await until(() => trips.work.stats().weather.running === 0)
    answer('sights')
    await until(() => trips.work.stats().sights.running === 0)
    clock.advance(1_000)
    const missing = { trains: 'too slow', hotels: 'too slow', sights: 'failed', news: 'too slow' }
    assert.deepEqual(told(await asking), { status: 200, city: 'Porto', ms, answered: ['weather'], missing })
    await until(() => (['trains', 'hotels', 'news'] as const).every((name) => calls[name][0]?.signal.aborted))
  })

  it('none has answered: 504', async () => {
    await open()
    const asking = served.get('/trip/Porto')
    await asked()
    clock.advance(1_000)
    assert.equal((await asking).status, 504)
  })

  it('the client leaves: all are given up, those in line are never asked', async () => {
    await open({ lane: { concurrency: 1 } })
    const first = served.get('/trip/Porto')
    await asked()
    const second = served.get('/trip/Porto')
    await until(() => trips.work.stats().news.waiting === 1)
    second.request.destroy()
    await until(() => trips.work.stats().news.waiting === 0)
    first.request.destroy()
    await until(() => names.every((name) => calls[name][0]?.signal.aborted))
    await asked(1)
  })

  it('one that hangs is busy soon, and keeps nobody from the others', async () => {
    await open({ lane: { concurrency: 2, maxWaiting: 0 } })
    const hanging = [served.get('/trip/Porto'), served.get('/trip/Porto')]
    await asked(2)
    for (const name of names) if (name !== 'hotels') for (const call of calls[name]) call.gate.open()
    await until(() => trips.work.stats().news.running + trips.work.stats().weather.running === 0)
    await until(() => trips.work.stats().trains.running + trips.work.stats().sights.running === 0)
    const asking = served.get('/trip/Porto')
    await asked(3, ['weather', 'trains', 'sights', 'news'])
    answer('weather', 'trains', 'sights', 'news')
    const { status, missing } = told(await asking)
    assert.deepEqual([status, missing], [200, { hotels: 'busy' }])
    clock.advance(1_000)
    for (const each of hanging) assert.deepEqual(told(await each)['missing'], { hotels: 'too slow' })
  })

  it('no room at any of them: answered at once', async () => {
    await open({ lane: { concurrency: 1, maxWaiting: 0 } })
    const first = served.get('/trip/Porto')
    await asked()
    const { status, missing } = told(await served.get('/trip/Basel'))
    assert.deepEqual([status, missing], [504, Object.fromEntries(names.map((name) => [name, 'busy']))])
    // nor do they seem to have taken any time
    const { body } = await served.get('/trip/Basel', { accept: 'text/html' })
    assert.equal(body.match(/not asked<\/td><td class="line"><div class="bar" style="--from:0;--to:0">/g)?.length, 5)
    assert.match(body, /<b>0 ms<\/b> or more/)
    answer(...names)
    assert.equal((await first).status, 200)
  })

  it('as a page: who said what, when, and who is missing', async () => {
    await open()
    const asking = served.get('/trip/%3Cb%3E', { accept: 'text/html' })
    await asked()
    answer('weather', 'trains', 'hotels', 'news')
    await until(() =>
      ['weather', 'trains', 'hotels', 'news'].every((name) => trips.work.stats()[name as Name].running === 0),
    )
    clock.advance(1_000)
    const { body } = await asking
    assert.ok(body.includes('A trip to &#60;b&#62;') && body.includes('4 of 5 services'), body)
    assert.equal(body.match(/<tr class="said">/g)?.length, 4)
    assert.match(
      body,
      /<tr class="missing"><th scope="row">sights<\/th>\s*<td class="says">too slow<\/td><td class="time">over 1000 ms/,
    )
    assert.equal((await served.get('/')).headers.location, '/trip/Basel')
  })

  it('npm run fan-out: says where it is, answers within its second, and ends', async function () {
    this.timeout(60_000)
    await open()
    const example = run('fan-out')
    const [, url] = await example.prints(/Trips are on (\S+)/)
    const { status, body } = await ask(`${url}/trip/Porto`)
    assert.equal(status, 200)
    const { answers, missing } = JSON.parse(body)
    assert.deepEqual([...Object.keys(answers), ...Object.keys(missing)].sort(), [...names].sort())
    example.signal('SIGTERM')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })
})
