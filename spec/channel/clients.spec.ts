import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { EventSource } from 'eventsource'
import Koa from 'koa'
import { type Browser, chromium } from 'playwright-core'
import { Channel, continuations } from '../../src/index.js'
import { until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

const browser = '/usr/bin/chromium'

describe('clients that others have written read the same channel', () => {
  let served: Served
  let channel: Channel
  beforeEach(async () => {
    channel = new Channel('news')
    const app = new Koa().use(continuations())
    app.use((ctx, next) => {
      if (ctx.path === '/') return channel.subscriber()(ctx, next)
      ctx.body = '<!doctype html><title>page</title>'
      return undefined
    })
    served = await serve(app)
  })
  let launched: Browser | undefined
  afterEach(async () => {
    await launched?.close()
    launched = undefined
    await served.close()
  })

  const waiting = (count = 1) => until(() => channel.waiters.size === count)

  it('the eventsource package: messages, named events, and back from the last id', async () => {
    const source = new EventSource(served.url)
    const got: unknown[] = []
    source.addEventListener('message', ({ data, lastEventId }) => got.push([lastEventId, JSON.parse(data)]))
    source.addEventListener('named', ({ data }) => got.push(['named', JSON.parse(data)]))
    await waiting()
    const { id } = await channel.publish({ n: 1 })
    await channel.publish({ n: 2 }, { event: 'named' })
    await until(() => got.length === 2)
    assert.deepEqual(got, [
      [id, { n: 1 }],
      ['named', { n: 2 }],
    ])
    source.close()
    await until(() => channel.size === 0)
  })

  const withCurl = spawnSync('curl', ['--version']).status === 0 ? it : it.skip
  withCurl('curl: a plain poll, a long poll, events and NDJSON (needs curl)', async () => {
    await channel.publish('old')
    const curl = async (...args: string[]): Promise<string> => {
      const child = spawn('curl', ['-sN', ...args])
      let text = ''
      child.stdout.on('data', (chunk) => {
        text += chunk
        if (text.includes('new')) child.kill()
      })
      await new Promise((resolve) => child.once('close', resolve))
      return text
    }
    assert.match(await curl(`${served.url}/?cursor=0&wait=0`), /"data":"old"/)
    const asking = [
      curl(served.url),
      curl('-H', 'Accept: text/event-stream', served.url),
      curl('-H', 'Accept: application/x-ndjson', served.url),
    ]
    await waiting(3)
    await channel.publish('new')
    const [poll, events, lines] = await Promise.all(asking)
    assert.match(poll as string, /"messages":\[\{"id":"\w+-2","data":"new"\}\]/)
    assert.match(events as string, /id: \w+-2\ndata: "new"\n\n$/)
    assert.match(lines as string, /\{"id":"\w+-2","data":"new"\}\n$/)
    await until(() => channel.size === 0)
  })

  const withBrowser = existsSync(browser) ? it : it.skip
  withBrowser("the browser's own EventSource, cut off and back (needs Chromium)", async function () {
    this.timeout(60_000)
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
    ]
    launched = await chromium.launch({ executablePath: browser, args })
    const page = await launched.newPage()
    await page.goto(`${served.url}/page`)
    await page.evaluate(`
      globalThis.got = []
      globalThis.source = new EventSource('/')
      source.onmessage = ({ data, lastEventId }) => got.push(lastEventId.split('-')[1] + ' ' + data)
    `)
    const got = async (count: number): Promise<string[]> => {
      await page.waitForFunction(`got.length === ${count}`)
      return (await page.evaluate('got')) as string[]
    }
    await waiting()
    await channel.publish('one')
    await got(1)
    await waiting()
    // the stream is ended by the server, and the browser comes back by itself, from its last id
    await channel.close()
    await channel.publish('in between')
    assert.deepEqual(await got(2), ['1 "one"', '2 "in between"'])
  })
})
