import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { createApp, type WidgetsApp } from '../../examples/widgets/app.js'
import { simulate } from '../../examples/widgets/simulate.js'
import type { State, Widgets } from '../../examples/widgets/state.js'
import { MemoryLog } from '../../src/log/memory.js'
import { follow } from '../support/following.js'
import { turn, until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { seeded } from '../support/random.js'
import { type Answer, type Asking, type Served, serve } from '../support/serve.js'
import { ask, endAll, run } from './run-example.js'

describe('the widgets example', () => {
  let dashboard: WidgetsApp
  let served: Served

  beforeEach(async () => {
    dashboard = createApp()
    served = await serve(dashboard.app)
  })

  afterEach(async () => {
    await served.close()
    assert.deepEqual(served.errors, [])
  })

  const state = async (): Promise<State> => JSON.parse((await served.get('/state')).body)
  const set = (widgets: object): Asking => served.post('/widgets', widgets)
  const changesSince = async (cursor: string): Promise<{ cursor: string; data: Widgets[] }> => {
    const { status, body } = await served.get(`/changes?cursor=${cursor}&wait=0`)
    if (status === 204) return { cursor, data: [] }
    const { messages, gap, cursor: next } = JSON.parse(body)
    assert.equal(gap, undefined)
    return { cursor: next, data: messages.map(({ data }: { data: Widgets }) => data) }
  }

  it('the state has every widget, and nothing is new after its cursor', async () => {
    const { cursor, widgets, recent } = await state()
    const ids = ['visitors', 'orders', 'load', 'temperature', 'latest', 'sign', 'status', 'goal', 'music']
    assert.deepEqual(Object.keys(widgets), ids)
    assert.deepEqual(recent['goal'], [200])
    assert.deepEqual(await changesSince(cursor), { cursor, data: [] })
  })

  it('a change is one message after the cursor, and in the next state', async () => {
    const before = await state()
    const { status, body } = await set({ sign: 'Hello', goal: 150 })
    const { cursor } = JSON.parse(body)
    assert.deepEqual([status, JSON.parse(body).widgets], [200, { sign: 'Hello', goal: 150 }])
    assert.deepEqual(await changesSince(before.cursor), { cursor, data: [{ sign: 'Hello', goal: 150 }] })
    const after = await state()
    assert.deepEqual(after.widgets, { ...before.widgets, sign: 'Hello', goal: 150 })
    assert.deepEqual([after.cursor, after.recent['goal']], [cursor, [200, 150]])
  })

  it('who waits hears of a change at once: a poll and a stream', async () => {
    const { cursor } = await state()
    const poll = served.get(`/changes?cursor=${cursor}`)
    const stream = await follow(`${served.url}/changes?cursor=${cursor}`, { accept: 'text/event-stream' })
    await until(() => dashboard.board.channel.waiters.size === 2)
    await set({ status: 'busy' })
    assert.deepEqual(JSON.parse((await poll).body).messages[0].data, { status: 'busy' })
    await stream.holds('data: {"status":"busy"}\n\n')
    stream.close()
  })

  it('no change falls between a state and the first message, nor is in both, however slow the log is', async () => {
    await served.close()
    const random = seeded(7)
    const turns = async (): Promise<void> => {
      for (let left = random() * 4; left > 0; left--) await turn()
    }
    class SlowLog extends MemoryLog {
      override async append(...message: Parameters<MemoryLog['append']>): ReturnType<MemoryLog['append']> {
        await turns()
        const position = await super.append(...message)
        await turns()
        return position
      }
    }
    dashboard = createApp({ channel: { log: new SlowLog() } })
    served = await serve(dashboard.app)
    const states = []
    const changes = []
    for (let round = 0; round < 150; round++) {
      changes.push(dashboard.board.change(({ orders }) => ({ orders: Number(orders) + 1 })))
      if (round % 5 === 0) states.push(state())
      await turns()
    }
    await Promise.all(changes)
    const last = await state()
    // each follows from the one before
    assert.equal(last.widgets['orders'], 112 + 150)
    for (const taken of await Promise.all(states)) {
      let orders = Number(taken.widgets['orders'])
      for (const { orders: next } of (await changesSince(taken.cursor)).data) assert.equal(next, ++orders)
      assert.equal(orders, last.widgets['orders'])
    }
  })

  it('a change that the log refuses is the caller’s to know, and stops no other', async () => {
    await served.close()
    class FailingLog extends MemoryLog {
      override append(...message: Parameters<MemoryLog['append']>): ReturnType<MemoryLog['append']> {
        return message[1].data.includes('fail') ? Promise.reject(new Error('full')) : super.append(...message)
      }
    }
    dashboard = createApp({ channel: { log: new FailingLog() } })
    served = await serve(dashboard.app)
    assert.equal((await set({ sign: 'fail' })).status, 500)
    assert.equal(served.errors.splice(0).length, 1)
    assert.equal((await set({ sign: 'good' })).status, 200)
    assert.equal((await state()).widgets['sign'], 'good')
  })

  it('a form changes a widget too', async () => {
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const { status, body } = await served.post('/widgets', 'sign=Gr%C3%BC%C3%9Fe&goal=120', type)
    assert.deepEqual([status, JSON.parse(body).widgets], [200, { sign: 'Grüße', goal: 120 }])
  })

  for (const [what, body, status, code] of [
    ['nothing', '', 400, 'ERR_INVALID_BODY'],
    ['no JSON', '{', 400, 'ERR_INVALID_BODY'],
    ['a list', '[1]', 400, 'ERR_INVALID_BODY'],
    ['no change', '{}', 400, 'ERR_INVALID_BODY'],
    ['an unknown widget', '{"sing":"Hello"}', 404, 'ERR_UNKNOWN_WIDGET'],
    ['what every object has', '{"toString":"Hello"}', 404, 'ERR_UNKNOWN_WIDGET'],
    ['one that is measured', '{"orders":1000}', 403, 'ERR_NOT_SETTABLE'],
    ['an empty sign', '{"sign":" "}', 400, 'ERR_INVALID_VALUE'],
    ['a long sign', `{"sign":"${'x'.repeat(81)}"}`, 400, 'ERR_INVALID_VALUE'],
    ['a sign that is no text', '{"sign":{}}', 400, 'ERR_INVALID_VALUE'],
    ['no choice', '{"status":"sleepy"}', 400, 'ERR_INVALID_VALUE'],
    ['a goal of none', '{"goal":0}', 400, 'ERR_INVALID_VALUE'],
    ['half a goal', '{"goal":1.5}', 400, 'ERR_INVALID_VALUE'],
    ['music that is too loud', '{"music":101}', 400, 'ERR_INVALID_VALUE'],
    ['null', '{"music":null}', 400, 'ERR_INVALID_VALUE'],
    ['a good value beside a bad one', '{"sign":"Hello","goal":-1}', 400, 'ERR_INVALID_VALUE'],
    ['too much', `{"sign":"${'x'.repeat(70_000)}"}`, 413, 'ERR_TOO_LARGE'],
  ] as const) {
    it(`${what}: ${status} ${code}, and nothing changes`, async () => {
      const before = await state()
      const answer = await served.post('/widgets', body || ' ')
      const { error } = JSON.parse(answer.body)
      assert.deepEqual([answer.status, error.code], [status, code])
      assert.match(error.message, /\w/)
      assert.deepEqual(await state(), before)
    })
  }

  for (const [what, asks, status, code] of [
    ['another type', () => served.post('/widgets', 'Hello', { 'content-type': 'text/plain' }), 415, 'ERR_INVALID_BODY'],
    ['a bad cursor', () => served.get('/changes?cursor=bad'), 400, 'ERR_INVALID_CURSOR'],
    ['another path', () => served.get('/elsewhere'), 404, 'ERR_NO_ROUTE'],
    ['another method', () => served.get('/widgets'), 405, 'ERR_METHOD_NOT_ALLOWED'],
  ] as [string, () => Promise<Answer>, number, string][]) {
    it(`${what}: ${status} ${code}`, async () => {
      const answer = await asks()
      assert.deepEqual([answer.status, JSON.parse(answer.body).error.code], [status, code])
    })
  }

  it('the page and its script load nothing from elsewhere', async () => {
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/page.js', 'text/javascript; charset=utf-8'],
    ] as const) {
      const { status, headers, body } = await served.get(path)
      assert.deepEqual([status, headers['content-type']], [200, type])
      assert.doesNotMatch(body, /src="(?!\/page\.js)|@import|url\(|^import |import\(/m)
    }
  })

  it('the widgets of before are gone on from, where they are known', async () => {
    await served.close()
    served = await serve(createApp({ initial: { sign: 'As before', other: 1 } }).app)
    const { widgets } = await state()
    assert.deepEqual([widgets['sign'], widgets['goal'], widgets['other']], ['As before', 200, undefined])
  })

  it('the simulation changes what is measured, until it is stopped', async () => {
    const clock = new ManualClock()
    const stop = simulate(dashboard.board, { every: 500, clock, random: seeded(3) })
    const seen = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const { cursor, widgets } = await state()
      assert.equal(clock.next, 500)
      clock.advance(500)
      await state()
      const { data } = await changesSince(cursor)
      assert.equal(data.length, 1)
      for (const [id, value] of Object.entries(data[0] ?? {})) {
        seen.add(id)
        if (id === 'load') assert.ok(Number(value) >= 0 && Number(value) <= 100)
        if (id === 'orders') assert.equal(value, Number(widgets['orders']) + 1)
      }
    }
    assert.deepEqual([...seen].sort(), ['latest', 'load', 'orders', 'temperature', 'visitors'])
    assert.ok(Object.values((await state()).recent).every(({ length }) => length <= 60))
    stop()
    assert.equal(clock.timers, 0)
  })

  it('drain: a poll is answered 204 with its cursor, on a connection that closes; a stream ends', async () => {
    const { cursor } = await state()
    const poll = served.get(`/changes?cursor=${cursor}`)
    const stream = await follow(`${served.url}/changes`, { accept: 'text/event-stream' })
    await until(() => dashboard.board.channel.waiters.size === 2)
    await dashboard.board.channel.drain()
    const { status, headers } = await poll
    assert.deepEqual([status, headers.connection, headers.etag], [204, 'close', `"${cursor}"`])
    await until(() => stream.ended)
  })
})

describe('npm run widgets', () => {
  afterEach(endAll)

  it('SIGTERM: answers who waits, ends with exit code 0, and goes on where it was with STATE', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'widgets-'))
    try {
      const within = (command: string[]): string[] => ['env', `STATE=${directory}/state.json`, ...command]
      const example = run('widgets', { within })
      const [url] = await example.prints(/http:\/\/127\.0\.0\.1:\d+/)
      const form = { 'content-type': 'application/x-www-form-urlencoded' }
      const set = await ask(`${url}/widgets`, { method: 'POST', headers: form, body: 'sign=Still+here' })
      assert.equal(set.status, 200)
      const stream = await follow(`${url}/changes?cursor=0`, { accept: 'text/event-stream' })
      // the simulation
      await stream.holds('"load"')
      example.signal('SIGTERM')
      await until(() => stream.ended)
      assert.deepEqual(await example.ended, { code: 0, signal: null })

      const { orders } = JSON.parse(await readFile(`${directory}/state.json`, 'utf8'))
      const again = run('widgets', { within })
      const [there] = await again.prints(/http:\/\/127\.0\.0\.1:\d+/)
      const { widgets } = JSON.parse((await ask(`${there}/state`)).body)
      assert.equal(widgets.sign, 'Still here')
      assert.ok(widgets.orders >= orders)
      again.signal('SIGINT')
      assert.deepEqual(await again.ended, { code: 0, signal: null })
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const missing = existsSync(executablePath) ? '' : ` (SKIPPED: there is no ${executablePath})`

describe(`the widgets example in Chromium${missing}`, function () {
  this.timeout(60_000)

  let directory: string
  let browser: BrowserContext
  let dashboard: WidgetsApp
  let served: Served
  let pages: Page[]
  let troubles: string[]

  before(async function () {
    if (missing !== '') this.skip()
    directory = await mkdtemp(join(tmpdir(), 'chromium-'))
    browser = await chromium.launchPersistentContext(directory, { executablePath, headless: true, args: flags })
  })

  after(async () => {
    await browser?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  beforeEach(async () => {
    dashboard = createApp()
    served = await serve(dashboard.app)
    pages = []
    troubles = []
  })

  afterEach(async () => {
    await browser?.setOffline(false)
    for (const page of pages ?? []) await page.close()
    await served?.close()
    assert.deepEqual(troubles, [])
  })

  const open = async (count = 1, media: Parameters<Page['emulateMedia']>[0] = {}): Promise<Page[]> => {
    for (let tab = 0; tab < count; tab++) {
      const page = await browser.newPage()
      page.on('pageerror', (error) => troubles.push(String(error)))
      await page.emulateMedia(media)
      await page.goto(served.url)
      pages.push(page)
    }
    for (const page of pages) await mark(page, 'Live')
    return pages
  }
  const mark = (page: Page, text: string): Promise<void> => page.locator('#state').filter({ hasText: text }).waitFor()
  const shows = (page: Page, id: string, text: string | RegExp): Promise<void> =>
    page.locator(`[data-widget=${id}]:not(input, svg, div)`).filter({ hasText: text }).first().waitFor()

  /** The server comes back at the same address, with this app. */
  const back = async (next: WidgetsApp = dashboard): Promise<void> => {
    served.server.removeAllListeners('request').on('request', next.app.callback())
    await new Promise<void>((resolve) => served.server.listen(served.port, '127.0.0.1', resolve))
    dashboard = next
  }

  it('a page shows the present state, in every kind of widget', async () => {
    await dashboard.board.change({ orders: 150, load: 90, temperature: 201, latest: ['Tea <b>', 'Scone'] })
    const [page] = (await open()) as [Page]
    await shows(page, 'orders', '150')
    await shows(page, 'temperature', '201.0')
    await shows(page, 'sign', 'Filter of the day')
    assert.deepEqual(await page.locator('ol li').allTextContents(), ['Tea <b>', 'Scone'])
    assert.equal(await page.locator('[data-kind=gauge]').getAttribute('data-level'), 'alarm')
    assert.equal(await page.getByLabel('open').isChecked(), true)
    const part = (locator: string) => page.locator(locator).evaluate((element) => element.getAttribute('style'))
    assert.match((await part('[data-widget=orders][data-kind=bar]')) ?? '', /--part: ?75/)
    assert.equal(await page.locator('svg[data-widget=visitors] path').count(), 3)
  })

  it('what one tab sets by its form, both show at once; so does what is measured', async () => {
    const [one, two] = (await open(2)) as [Page, Page]
    await one.getByLabel('What the sign says').fill('From the <first>')
    await one.getByRole('button', { name: 'Put up' }).click()
    for (const page of pages) await shows(page, 'sign', 'From the <first>')

    await two.getByText('closed', { exact: true }).click()
    await two.getByLabel('Music').fill('80')
    for (const page of pages) {
      await shows(page, 'status', 'closed')
      await shows(page, 'music', '80')
    }
    assert.equal(await one.getByLabel('closed').isChecked(), true)
    assert.equal(await one.getByLabel('What the sign says').inputValue(), 'From the <first>')

    await dashboard.board.change({ visitors: 37 })
    for (const page of pages) await shows(page, 'visitors', '37')
  })

  it('what cannot be set says why, and stays where it was typed', async () => {
    const [page] = (await open()) as [Page]
    await page.getByLabel('Goal for today').fill('many')
    await page.getByRole('button', { name: 'Set' }).click()
    await page.getByText('"goal" must be a whole number from 1 to 1000').waitFor()
    assert.equal(await page.getByLabel('Goal for today').inputValue(), 'many')
    await page.getByLabel('Goal for today').fill('99')
    await page.getByRole('button', { name: 'Set' }).click()
    await shows(page, 'goal', '99')
    assert.equal(await page.getByText('must be').count(), 0)
  })

  it('a field that somebody types into is left alone', async () => {
    const [page] = (await open()) as [Page]
    await page.getByLabel('What the sign says').fill('half a sen')
    await dashboard.board.change({ sign: 'from elsewhere', goal: 77 })
    await shows(page, 'sign', 'from elsewhere')
    assert.equal(await page.getByLabel('What the sign says').inputValue(), 'half a sen')
    assert.equal(await page.getByLabel('Goal for today').inputValue(), '77')
  })

  it('offline for a while: the page says so, and has what was changed meanwhile as soon as it is back', async () => {
    await open(2)
    await browser.setOffline(true)
    for (const page of pages) await mark(page, 'Offline')
    await dashboard.board.change({ sign: 'meanwhile' })
    await dashboard.board.change({ visitors: 51 })
    await browser.setOffline(false)
    for (const page of pages) {
      await shows(page, 'sign', 'meanwhile')
      await shows(page, 'visitors', '51')
      await mark(page, 'Live')
    }
  })

  it('the server is away for a while: every tab says so, and nothing is lost', async () => {
    await open(2)
    await served.close()
    for (const page of pages) await mark(page, 'Reconnecting')
    await dashboard.board.change({ sign: 'meanwhile' })
    await dashboard.board.change({ visitors: 51 })
    await back()
    for (const page of pages) {
      await shows(page, 'sign', 'meanwhile')
      await shows(page, 'visitors', '51')
      await mark(page, 'Live')
    }
  })

  it('the server begins anew: every tab has its state, and follows its changes', async () => {
    await dashboard.board.change({ sign: 'kept', orders: 140 })
    await open(2)
    const { widgets } = await dashboard.board.state()
    await served.close()
    await back(createApp({ initial: { ...widgets, goal: 321 } }))
    for (const page of pages) await shows(page, 'goal', '321')
    await dashboard.board.change(({ orders }) => ({ orders: Number(orders) + 1 }))
    for (const page of pages) {
      await shows(page, 'orders', '141')
      await shows(page, 'sign', 'kept')
      await mark(page, 'Live')
    }
  })

  it('more was changed than is kept: the page takes the state anew', async () => {
    await served.close()
    dashboard = createApp({ channel: { backlog: { messages: 2 } } })
    served = await serve(dashboard.app)
    const [page] = (await open()) as [Page]
    await served.close()
    await mark(page, 'Reconnecting')
    await dashboard.board.change({ sign: 'no message tells of it' })
    for (const visitors of [1, 2, 3]) await dashboard.board.change({ visitors })
    await back()
    await shows(page, 'sign', 'no message tells of it')
    await mark(page, 'Live')
    await dashboard.board.change({ visitors: 44 })
    await shows(page, 'visitors', '44')
  })

  for (const width of [320, 390, 800, 1280]) {
    it(`fits into a width of ${width}`, async () => {
      const [page] = (await open()) as [Page]
      await page.setViewportSize({ width, height: 900 })
      const wide = await page.locator('html').evaluate(({ scrollWidth }) => scrollWidth)
      assert.ok(wide <= width, `it is ${wide} wide`)
    })
  }

  // SCREENSHOTS=1: to look at
  for (const [name, width, colorScheme] of [
    ['light', 1280, 'light'],
    ['dark', 1280, 'dark'],
    ['narrow', 390, 'dark'],
  ] as const) {
    if (process.env['SCREENSHOTS'] === undefined) continue
    it(`looks well: ${name}`, async () => {
      const random = seeded(11)
      const clock = new ManualClock()
      const stop = simulate(dashboard.board, { clock, random })
      clock.advance(60_000)
      stop()
      const [page] = (await open(1, { colorScheme, reducedMotion: 'reduce' })) as [Page]
      await page.setViewportSize({ width, height: 800 })
      await page.screenshot({ path: join(tmpdir(), `widgets-${name}.png`), fullPage: true })
    })
  }
})
