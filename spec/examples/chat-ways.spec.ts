import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { serve, type Way, ways } from '../../examples/chat/serve.js'
import { runTerminal } from '../../examples/chat/terminal.js'
import { until } from '../support/gate.js'
import { noRedis, type RedisServer, redisServer } from '../support/redis-server.js'
import { endAll, run, skip } from './run-example.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const noChromium = existsSync(executablePath) ? '' : ` (SKIPPED: there is no ${executablePath})`
const noScript = String(spawnSync('script', ['--version']).stdout).includes('util-linux')
  ? ''
  : ' (SKIPPED: there is no script(1) of util-linux)'

/** In a terminal of its own. */
const within = (command: string[]): string[] => [
  'script',
  '--quiet',
  '--return',
  '--command',
  command.join(' '),
  '/dev/null',
]

describe(`the chat example, open in every way${noChromium}${noScript}`, function () {
  this.timeout(60_000)

  let directory: string
  let browser: BrowserContext
  let redis: RedisServer | undefined

  before(async function () {
    if (noChromium !== '' || noScript !== '') this.skip()
    if (noRedis === '') redis = await redisServer('--appendfsync', 'no')
    directory = await mkdtemp(join(tmpdir(), 'chromium-'))
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-sync',
    ]
    browser = await chromium.launchPersistentContext(directory, { executablePath, headless: true, args })
  })
  after(async () => {
    await browser?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
    await redis?.close()
  })
  afterEach(async () => {
    endAll()
    const [first, ...rest] = browser?.pages() ?? []
    for (const page of rest) await page.close()
    await first?.goto('about:blank')
  })

  /** Over Redis by the command, as a user would; else from here, which takes less time. */
  async function open(way: Way): Promise<{ url: string; stop(): Promise<void> }> {
    if (way !== 'redis') {
      const { port, stop } = await serve(way, { port: 0, workers: 2, redis: '' })
      return { url: `http://127.0.0.1:${port}`, stop }
    }
    const room = run('chat', { args: ['--serve', way, '--redis', redis?.url ?? ''], stdin: 'ignore' })
    const [, url = ''] = await room.prints(/open on (http:\S+), in 2 servers over Redis/)
    return {
      url,
      async stop() {
        room.signal('SIGTERM')
        assert.deepEqual(await room.ended, { code: 0, signal: null })
      },
    }
  }

  async function page(url: string, name: string): Promise<Page> {
    const opened = await browser.newPage()
    await opened.goto(url)
    await opened.getByLabel('Who are you?').fill(name)
    await opened.getByRole('button', { name: 'Come in' }).click()
    await opened.getByText('Connected').waitFor()
    return opened
  }

  interface Terminal {
    readonly printed: string
    prints(pattern: RegExp): Promise<unknown>
    press(keys: string): void
    readonly ended: Promise<unknown>
  }

  /** Likewise. */
  function terminal(way: Way, url: string, name: string): Terminal {
    if (way === 'redis') {
      // as it is copied out of a browser
      const command = run('chat', { args: ['--name', name, '--url', `${url}/`], within })
      const ended = command.ended.then((how) => assert.deepEqual(how, { code: 0, signal: null }))
      return Object.assign(command, { ended })
    }
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
    const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
    let printed = ''
    output.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk
    })
    const ended = runTerminal({ url, name, input, output })
    return {
      get printed() {
        return printed
      },
      prints: (pattern) => until(() => pattern.test(printed)),
      press: (keys) => void input.write(keys),
      ended,
    }
  }

  /** Who did and said what, as it stands there. */
  const linesOf = (page: Page): Promise<string[]> =>
    page.locator('#lines > li').evaluateAll((lines) =>
      lines.map((line) => {
        const [text, by] = ['.text', '.by bdi'].map((part) => line.querySelector(part)?.textContent)
        return text ? `${by} ${text}` : (line.textContent ?? '')
      }),
    )
  const linesIn = ({ printed }: Terminal): string[] =>
    printed
      // the line that is being typed gives way
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is told by them what to do
      .replace(/\u001b\[2K/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours, and where the cursor is
      .replace(/\u001b\[[\d;?]*[A-Za-z]/g, '')
      .split(/[\r\n]+/)
      .flatMap((line) => /^\d\d:\d\d(?: [AP]M)? (.*)$/.exec(line)?.[1] ?? [])

  for (const way of ways) {
    it(`${way}: two pages and two terminals see one history`, async function () {
      if (way === 'redis' && redis === undefined) skip(this, 'there is no redis-server')
      const { url, stop } = await open(way)
      const ann = await page(url, 'Ann')
      const bob = terminal(way, url, 'Bob')
      await bob.prints(/here: Ann, Bob/)
      const cid = await page(url, 'Cid')
      await bob.prints(/Cid has come in/)
      const dan = terminal(way, url, 'Dan')
      await dan.prints(/here: Ann, Bob, Cid, Dan/)
      await ann.getByText('Dan has come in').waitFor()

      await ann.getByLabel('Say something').fill('from a <b>page</b>')
      await ann.getByRole('button', { name: 'Say' }).click()
      await bob.prints(/Ann.* from a <b>page<\/b>/)
      bob.press('from a terminal\r')
      await cid.getByText('from a terminal').waitFor()
      await cid.getByLabel('Say something').fill('žluťoučký 🐎')
      await cid.getByLabel('Say something').press('Enter')
      await dan.prints(/Cid.* žluťoučký 🐎/)
      dan.press('from the other one\r')
      for (const page of [ann, cid]) await page.getByText('from the other one').waitFor()
      dan.press('/quit\r')
      await dan.ended
      for (const page of [ann, cid]) await page.getByText('Dan has left').waitFor()
      await bob.prints(/Dan has left/)

      const history = [
        'Ann has come in',
        'Bob has come in',
        'Cid has come in',
        'Dan has come in',
        'Ann from a <b>page</b>',
        'Bob from a terminal',
        'Cid žluťoučký 🐎',
        'Dan from the other one',
        'Dan has left',
      ]
      for (const page of [ann, cid]) assert.deepEqual(await linesOf(page), history)
      assert.deepEqual(linesIn(bob), history)
      assert.deepEqual(linesIn(dan), history.slice(0, -1))
      for (const page of [ann, cid])
        assert.deepEqual(await page.locator('#people li').allTextContents(), ['AnAnn', 'BoBob', 'CiCid'])

      // a page that is loaded anew stays in
      await cid.reload()
      await cid.getByText('Connected').waitFor()
      assert.deepEqual(await linesOf(cid), history)
      // Ctrl-C leaves
      bob.press('\u0003')
      await bob.ended
      await ann.getByText('Bob has left').waitFor()

      await stop()
      await ann.getByText('Reconnecting').waitFor()
    })
  }

  it('what is no address is refused at once', async () => {
    for (const url of ['nonsense', 'localhost:3000']) {
      const command = run('chat', { args: ['--name', 'Ann', '--url', url], stdin: 'ignore' })
      assert.deepEqual(await command.ended, { code: 1, signal: null })
      assert.match(command.printed, new RegExp(`--url takes an address, .*: got ${url}`))
    }
  })
})
