import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { turn, until } from '../support/gate.js'
import { TinyChannel } from './tiny-channel.js'

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

/** What a page follows is in its query; what it got is its text. */
const html = `<!doctype html><title>news</title><pre id="got"></pre><script type="module">
  import { connect } from '/client.js'
  const query = new URLSearchParams(location.search)
  const connection = connect('/news', {
    transport: query.get('transport') ?? 'auto',
    share: query.has('share'),
    ...(query.has('storage') && { storage: sessionStorage }),
  })
  const show = (type) => connection.addEventListener(type, ({ detail }) => {
    document.documentElement.dataset.state = connection.state
    if (type === 'message') document.getElementById('got').textContent += detail.data + '\\n'
  })
  for (const type of ['state', 'message']) show(type)
  addEventListener('pageshow', ({ persisted }) => { document.documentElement.dataset.persisted = persisted })
</script>`

describe(`the client in Chromium${missing}`, function () {
  this.timeout(60_000)

  let directory: string
  let browser: BrowserContext
  let channel: TinyChannel
  let script: string

  before(async function () {
    if (missing !== '') this.skip()
    directory = await mkdtemp(join(tmpdir(), 'chromium-'))
    const entry = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
      logLevel: 'silent',
    })
    script = outputFiles[0]?.text ?? ''
    browser = await chromium.launchPersistentContext(directory, { executablePath, headless: true, args: flags })
  })

  after(async () => {
    await browser?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  beforeEach(async () => {
    channel = await new TinyChannel({
      '/': ['text/html', html],
      '/away': ['text/html', '<!doctype html><title>away</title>'],
      '/client.js': ['text/javascript', script],
      '/favicon.ico': ['image/x-icon', ''],
    }).open()
  })

  afterEach(async () => {
    await browser?.setOffline(false)
    const [first, ...rest] = browser?.pages() ?? []
    for (const page of rest) await page.close()
    await first?.goto('about:blank')
    await channel?.close()
  })

  const open = async (query = ''): Promise<Page> => {
    const page = await browser.newPage()
    await page.goto(`${channel.url}/?${query}`)
    await page.locator('[data-state=open]').waitFor()
    return page
  }
  const got = async (page: Page): Promise<string[]> =>
    ((await page.locator('#got').textContent()) ?? '').split('\n').filter((line) => line !== '')
  const gets = async (page: Page, ...expected: string[]): Promise<void> => {
    await page.getByText(expected.at(-1) as string).waitFor()
    assert.deepEqual(await got(page), expected)
  }
  const waiting = (count: number): Promise<void> => until(() => channel.waiting === count)

  for (const transport of ['poll', 'sse']) {
    it(`two tabs on the very same address both get a message at once: ${transport}`, async () => {
      const both = [await open(`transport=${transport}`), await open(`transport=${transport}`)]
      await waiting(2)
      for (const message of ['one', 'two']) {
        channel.publish(message)
        await Promise.all(both.map((page) => page.getByText(message).waitFor()))
        await waiting(2)
      }
      for (const page of both) await gets(page, 'one', 'two')
      assert.equal(channel.asked.length, transport === 'poll' ? 2 + 3 * 2 : 2)
    })

    it(`the server is away for a while: goes on by itself, and is not asked in a loop: ${transport}`, async () => {
      const page = await open(`transport=${transport}`)
      await waiting(1)
      channel.publish('before')
      await gets(page, 'before')
      await channel.close()
      await page.locator('[data-state=waiting]').waitFor()
      channel.publish('meanwhile')
      const { length } = channel.asked
      await channel.open()
      await gets(page, 'before', 'meanwhile')
      await waiting(1)
      assert.ok(channel.asked.length - length <= 2, `${channel.asked.length - length} requests`)
    })
  }

  it('offline, and online again: nothing is lost', async () => {
    const page = await open('transport=poll')
    await waiting(1)
    await browser.setOffline(true)
    await page.locator('[data-state=paused]').waitFor()
    await waiting(0)
    const { length } = channel.asked
    channel.publish('meanwhile')
    await browser.setOffline(false)
    await gets(page, 'meanwhile')
    await waiting(1)
    assert.ok(channel.asked.length - length <= 2)
  })

  it('hidden, frozen and shown again: nothing is lost', async () => {
    const page = await open('transport=poll')
    await waiting(1)
    const session = await browser.newCDPSession(page)
    await session.send('Page.setWebLifecycleState', { state: 'frozen' })
    channel.publish('meanwhile')
    await turn()
    await session.send('Page.setWebLifecycleState', { state: 'active' })
    await gets(page, 'meanwhile')
    await waiting(1)
    channel.publish('after')
    await gets(page, 'meanwhile', 'after')
    assert.ok(channel.asked.length <= 8, `${channel.asked.length} requests`)
  })

  it('left and back, from the cache or anew: goes on from where it was', async () => {
    const page = await open('transport=poll&storage')
    await waiting(1)
    channel.publish('before')
    await gets(page, 'before')
    await waiting(1)
    await page.goto(`${channel.url}/away`)
    await waiting(0)
    channel.publish('meanwhile')
    await page.goBack()
    await page.getByText('meanwhile').waitFor()
    const kept = await page.locator('[data-persisted=true]').count()
    assert.deepEqual(await got(page), kept > 0 ? ['before', 'meanwhile'] : ['meanwhile'])
    await waiting(1)
  })

  it('seven tabs over HTTP/1.1, shared: one request is held, all get what comes, and the next one takes over', async () => {
    const tabs: Page[] = []
    for (let count = 0; count < 7; count++) tabs.push(await open('transport=poll&share'))
    await waiting(1)
    assert.equal(channel.asked.filter((what) => what === 'poll').length, 1)
    const published: string[] = []
    for (const message of ['one', 'two', 'three']) {
      published.push(message)
      channel.publish(message)
      await Promise.all(tabs.map((page) => page.getByText(message).waitFor()))
      await waiting(1)
    }
    for (const page of tabs) assert.deepEqual(await got(page), published)
    assert.equal(channel.asked.filter((what) => what === 'poll').length, 4)
    await tabs.shift()?.close()
    await waiting(1)
    channel.publish('four')
    for (const page of tabs) await gets(page, 'one', 'two', 'three', 'four')
    assert.ok(channel.asked.length <= 7 + 4 + 4, channel.asked.join())
  })
})
