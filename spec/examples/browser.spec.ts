import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { type Chat, createApp as createChat } from '../../examples/chat/app.js'
import { createApp as createComet } from '../../examples/comet/app.js'
import { tripPage } from '../../examples/fan-out/page.js'
import { createApp as createHanging, type Hanging } from '../../examples/hanging/app.js'
import { runTerminal } from '../../examples/hanging/terminal.js'
import { MemoryLog } from '../../src/index.js'
import { until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'
import { askUntil } from './run-example.js'

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

/** As soon as all of it is within the part of the page that scrolls. */
const isInSight = (page: Page, selector: string): Promise<unknown> =>
  page.waitForFunction((selector) => {
    const [whole, part] = ['main', selector].map((which) => document.querySelector(which)?.getBoundingClientRect())
    return whole && part && part.top >= whole.top - 1 && part.bottom <= whole.bottom + 1
  }, selector)

const missing = existsSync(executablePath) ? '' : ` (SKIPPED: there is no ${executablePath})`

describe(`the examples in Chromium${missing}`, function () {
  this.timeout(60_000)

  let directory: string
  let browser: BrowserContext
  let served: Served

  before(async function () {
    if (missing !== '') this.skip()
    directory = await mkdtemp(join(tmpdir(), 'chromium-'))
    browser = await chromium.launchPersistentContext(directory, { executablePath, headless: true, args: flags })
  })

  after(async () => {
    await browser?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  afterEach(async () => {
    const [first, ...rest] = browser?.pages() ?? []
    for (const page of rest) await page.close()
    await first?.goto('about:blank')
    await served?.close()
  })

  const tabs = (count: number): Promise<Page[]> => Promise.all(Array.from({ length: count }, () => browser.newPage()))

  describe('comet', () => {
    beforeEach(async () => {
      // for ever, so that nothing but the message can be the reason of an answer
      served = await serve(createComet({ timeout: 0 }).app)
    })

    const waiting = (count: number): Promise<void> => askUntil(`${served.url}/waiting`, `{"waiting":${count}}`)

    const publish = async (page: Page, message: string): Promise<void> => {
      await page.getByLabel('Message').fill(message)
      await page.getByRole('button', { name: 'Publish' }).click()
    }

    const messages = (page: Page): Promise<string[]> => page.locator('#messages p').allTextContents()

    for (const style of ['resume', 'complete', 'wait']) {
      it(`two tabs get a message that one of them publishes, and the next one: ${style}`, async () => {
        const both = await tabs(2)
        const [one, two] = both as [Page, Page]
        for (const page of both) {
          await page.goto(served.url)
          await page.getByText(style, { exact: true }).click()
        }
        for (const [from, message] of [
          [one, 'from the first'],
          [two, 'from the <b>second</b>'],
        ] as const) {
          await waiting(2)
          await publish(from, message)
          for (const page of both) await page.getByText(message).waitFor()
        }
        for (const page of both) assert.deepEqual(await messages(page), ['from the first', 'from the <b>second</b>'])
        await waiting(2)
      })
    }

    it('another style: the poll before is given up, and the server forgets it', async () => {
      const [page] = (await tabs(1)) as [Page]
      await page.goto(served.url)
      await waiting(1)
      for (const [style, path] of [
        ['wait', '/subscribe/wait'],
        ['complete', '/subscribe/complete'],
        ['resume', '/subscribe'],
      ] as const) {
        await page.getByText(style, { exact: true }).click()
        await page.getByText(`waiting at ${path}`, { exact: true }).waitFor()
        await waiting(1)
        await publish(page, `by ${style}`)
        await page.getByText(`by ${style}`).waitFor()
      }
      assert.deepEqual(await messages(page), ['by wait', 'by complete', 'by resume'])
    })

    it('a tab that is closed is forgotten', async () => {
      const [one, two] = (await tabs(2)) as [Page, Page]
      for (const page of [one, two]) await page.goto(served.url)
      await waiting(2)
      await one.close()
      await waiting(1)
    })

    it('the server is away for a while: the page says so, comes back by itself, and goes on', async () => {
      const [page] = (await tabs(1)) as [Page]
      await page.goto(served.url)
      await waiting(1)
      await served.close()
      await page.getByText('trying again').waitFor()
      served.server.listen(served.port, '127.0.0.1')
      await page.getByText('waiting at /subscribe').waitFor()
      await waiting(1)
      await publish(page, 'back again')
      await page.getByText('back again').waitFor()
    })

    it('what is not published says why, and is not lost', async () => {
      const [page] = (await tabs(1)) as [Page]
      await page.goto(served.url)
      await publish(page, 'a'.repeat(70_000))
      await page.getByText('not published').waitFor()
      assert.equal((await page.getByLabel('Message').inputValue()).length, 70_000)
      // and it waits as before
      assert.equal(await page.locator('#state').textContent(), 'waiting at /subscribe')
    })

    it('who reads further up is left there; who reads the newest sees the next', async () => {
      const [page] = (await tabs(1)) as [Page]
      await page.goto(served.url)
      const sees = (which: 'first' | 'last'): Promise<unknown> => isInSight(page, `#messages > :${which}-child`)
      for (let n = 1; n <= 15; n++) {
        await waiting(1)
        await publish(page, `message ${n}`)
        await page.getByText(`message ${n}`, { exact: true }).waitFor()
      }
      await sees('last')
      await page.setViewportSize({ width: 375, height: 500 })
      await sees('last')
      await page.locator('#messages > :first-child').evaluate((line) => line.scrollIntoView())
      await sees('first')
      await waiting(1)
      await publish(page, 'the next')
      await page.getByText('the next').waitFor()
      await sees('first')
    })
  })

  describe('chat', () => {
    let chat: Chat

    beforeEach(async () => {
      chat = createChat({ log: new MemoryLog() })
      served = await serve(chat.app)
    })
    afterEach(() => chat.close())

    const enter = async (name: string): Promise<Page> => {
      const [page] = (await tabs(1)) as [Page]
      await page.goto(served.url)
      await page.getByLabel('Who are you?').fill(name)
      return page
    }
    const say = async (page: Page, text: string): Promise<void> => {
      await page.getByLabel('Say something').fill(text)
      await page.getByLabel('Say something').press('Enter')
    }

    it('no server answers, and somebody presses again: the room opens when it is there, with all in it once', async () => {
      const page = await enter('Ann')
      await page.route('**/people', (route) => route.abort())
      const box = await page.getByRole('button', { name: 'Come in' }).boundingBox()
      const { x, y } = box as { x: number; y: number }
      await page.mouse.dblclick(x + 9, y + 9)
      await page.getByText('Reconnecting').waitFor()
      for (const part of ['#speak', 'aside']) assert.ok(await page.locator(part).isHidden(), part)
      await page.mouse.click(x + 9, y + 9)
      await page.keyboard.press('Enter')
      await page.unroute('**/people')
      await page.getByText('Connected').waitFor()
      await say(page, 'one')
      await say(page, 'two')
      await page.getByText('two').first().waitFor()
      assert.deepEqual(await page.locator('#lines .text').allTextContents(), ['one', 'two'])
    })

    it('who is refused may try another name', async () => {
      const ann = await enter('Ann')
      await ann.keyboard.press('Enter')
      await ann.getByText('Connected').waitFor()
      const other = await enter('ANN')
      await other.keyboard.press('Enter')
      await other.getByText('ANN is here already').waitFor()
      await other.getByLabel('Who are you?').fill('Bob')
      await other.keyboard.press('Enter')
      await other.getByText('Connected').waitFor()
    })

    it('a name that is written from right to left turns nothing else round', async () => {
      const page = await enter('\u202eAnn')
      await page.keyboard.press('Enter')
      const right = await page.locator('.note').evaluate((note) => {
        const [name, rest] = Array.from(note.childNodes, (node) => {
          const range = document.createRange()
          range.selectNode(node)
          return range.getBoundingClientRect()
        })
        return [name?.right, rest?.left]
      })
      assert.ok(Number(right[0]) <= Number(right[1]) + 1, `${right}`)
    })

    it('the newest line is not covered by what is shown below it', async () => {
      const page = await enter('Ann')
      await page.keyboard.press('Enter')
      await page.getByText('Connected').waitFor()
      const [id = ''] = Object.keys(chat.hall.people)
      for (let at = 1; at <= 30; at++) await chat.hall.publish({ event: 'say', data: { id, text: `line ${at}`, at } })
      await page.getByText('line 30', { exact: true }).waitFor()
      await page.route('**/messages', (route) => route.abort())
      await say(page, 'lost')
      await page.getByText('Not said').waitFor()
      await isInSight(page, '#lines > :last-child')
    })
  })

  it('fan-out: a city of one long word stays on its page', async () => {
    const [page] = (await tabs(1)) as [Page]
    await page.setViewportSize({ width: 320, height: 700 })
    await page.setContent(
      tripPage({ city: 'Llanfair'.repeat(20), limit: 1_000, parts: [], ms: { total: 1, handler: 1 } }),
    )
    const wide = await page.locator('html').evaluate(({ scrollWidth }) => scrollWidth)
    assert.ok(wide <= 320, `it is ${wide} wide`)
  })

  describe('hanging', () => {
    let hanging: Hanging
    let input: PassThrough
    let ended: Promise<void>

    beforeEach(async () => {
      hanging = createHanging({ timeout: 0 })
      served = await serve(hanging.app)
      input = new PassThrough()
      ended = runTerminal(hanging, { input, output: new PassThrough() })
    })

    afterEach(async () => {
      input?.end()
      await ended
    })

    const count = (event: string): number =>
      [...hanging.waiting].filter((continuation) => continuation.getAttribute('event') === event).length

    it('a page hangs until the terminal fires its event', async () => {
      const [page] = (await tabs(1)) as [Page]
      const going = page.goto(`${served.url}/orders/gr%C3%BC%C3%9Fe`)
      await until(() => count('orders/grüße') === 1)
      input.write('orders/grüße <b>Hello</b> from the terminal\n')
      assert.equal((await going)?.status(), 200)
      assert.equal(await page.locator('body').textContent(), '<b>Hello</b> from the terminal')
    })

    it('two tabs under one event are both answered, each with a query of its own', async () => {
      const both = await tabs(2)
      const going = both.map((page, place) => page.goto(`${served.url}/respond?${place}`))
      await until(() => count('respond') === 2)
      input.write('respond to both\n')
      for (const answer of going) assert.equal(await (await answer)?.text(), 'to both')
    })

    it('two tabs on the very same address: the second comes to the server after the first at the latest', async () => {
      const both = await tabs(2)
      const going = both.map((page) => page.goto(`${served.url}/respond`))
      let answered = 0
      for (const answer of going) answer.then(() => answered++)
      while (answered < 2) {
        await until(() => count('respond') > 0 || answered === 2)
        hanging.fire('respond', 'to whom it concerns')
      }
      for (const answer of going) assert.equal(await (await answer)?.text(), 'to whom it concerns')
    })

    it('a tab that is closed is forgotten', async () => {
      const [page] = (await tabs(1)) as [Page]
      page.goto(`${served.url}/respond`).catch(() => {})
      await until(() => count('respond') === 1)
      await page.close()
      await until(() => count('respond') === 0)
    })
  })
})
