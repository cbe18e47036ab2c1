import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { createApp, type PuppiesApp } from '../../examples/lanes/app.js'
import { type Database, openDatabase } from '../../examples/lanes/database.js'
import { createPuppies, matching, type Puppy } from '../../examples/lanes/puppies.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Answer, type Served, serve } from '../support/serve.js'
import { ask, endAll, run } from './run-example.js'

const html = { accept: 'text/html' }
const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

const rex: Puppy = {
  id: 1,
  name: 'Rex <3',
  weeks: 9,
  coat: 'gold',
  ears: 'floppy',
  patch: true,
  energy: 10,
  cuddles: 90,
  noise: 80,
  friend: 'Ann & Bob',
}

/** Answers when it is told to. */
class ToldDatabase implements Database {
  readonly asked: unknown[] = []
  readonly #waiting: ((rows: unknown[]) => void)[] = []
  query(_sql: string, values: readonly unknown[] = []): Promise<unknown[]> {
    this.asked.push(values[0])
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
  answer(...rows: Puppy[]): void {
    this.#waiting.shift()?.(rows)
  }
  async close(): Promise<void> {}
}

describe('the lanes example', () => {
  let served: Served
  afterEach(async () => {
    await served?.close()
    endAll()
  })

  describe('in line', () => {
    let clock: ManualClock
    let database: ToldDatabase
    let puppies: PuppiesApp
    beforeEach(async () => {
      clock = new ManualClock()
      database = new ToldDatabase()
      puppies = createApp(database, { clock, database: { maxWaiting: 2 } })
      served = await serve(puppies.app)
    })
    afterEach(() => {
      assert.deepEqual(served.errors, [])
      assert.deepEqual(puppies.work.stats().database, { running: 0, waiting: 0, abandoned: 0 })
    })

    const standing = (running: number, waiting: number): Promise<void> =>
      until(() => {
        const { database } = puppies.work.stats()
        return database.running === running && database.waiting === waiting
      })
    const refused = ({ status, body }: Answer): unknown[] => [status, JSON.parse(body).error.code]

    it('one query at a time, members first; the status is answered meanwhile', async () => {
      const asking = [served.get('/?energy=1')]
      await standing(1, 0)
      asking.push(served.get('/?energy=2'))
      await standing(1, 1)
      asking.push(served.get('/?energy=3&member'))
      await standing(1, 2)
      const stats = { database: { running: 1, waiting: 2, abandoned: 0 } }
      assert.deepEqual(JSON.parse((await served.get('/status')).body), stats)
      for (const count of [1, 2, 3]) {
        await until(() => database.asked.length === count)
        database.answer(rex)
      }
      for (const one of asking) assert.deepEqual(JSON.parse((await one).body).puppies, [rex])
      assert.deepEqual(database.asked, [1, 3, 2])
    })

    it('no room: 503, as JSON, and as a page that asks again by itself', async () => {
      const asking = []
      for (const waiting of [0, 1, 2]) {
        asking.push(served.get('/'))
        await standing(1, waiting)
      }
      assert.deepEqual(refused(await served.get('/')), [503, 'ERR_LANE_FULL'])
      const { status, headers, body } = await served.get('/', html)
      assert.equal(status, 503)
      assert.ok(body.includes(`<meta http-equiv="refresh" content="${headers['retry-after']}">`))
      for (let count = 1; count <= 3; count++) {
        await until(() => database.asked.length === count)
        database.answer()
      }
      await Promise.all(asking)
    })

    it('10 s in line: 503; the query of one who has gone is never asked', async () => {
      const first = served.get('/?energy=1')
      await standing(1, 0)
      const leaver = served.get('/?energy=2')
      await standing(1, 1)
      const third = served.get('/?energy=3')
      await standing(1, 2)
      leaver.request.destroy()
      await standing(1, 1)
      clock.advance(10_000)
      for (const asking of [first, third]) assert.deepEqual(refused(await asking), [503, 'ERR_JOB_CANCELLED'])
      // the query that runs goes on, and keeps its place
      await standing(1, 0)
      database.answer()
      await standing(0, 0)
      assert.deepEqual(database.asked, [1])
    })

    it('a page shows what the database says, as text', async () => {
      const asking = served.get('/?energy=10&member&page=2', html)
      await standing(1, 0)
      database.answer(rex)
      const { body, headers } = await asking
      assert.match(String(headers['content-type']), /^text\/html/)
      assert.ok(body.includes('Rex &#60;3') && body.includes('Ann &#38; Bob'), body)
      assert.ok(body.includes('name="member" checked'))
      assert.ok(body.includes('page=1">Back') && !body.includes('More puppies'))
    })

    for (const query of [
      'energy=101',
      'energy=-1',
      'cuddles=',
      'noise=1.5',
      'noise=much',
      'page=0',
      'energy=1&energy=2',
    ]) {
      it(`?${query}: 400`, async () => {
        assert.deepEqual(refused(await served.get(`/?${query}`)), [400, 'ERR_INVALID_WISH'])
        const { status, body } = await served.get(`/?${query}`, html)
        assert.deepEqual([status, body.includes('http-equiv="refresh"')], [400, false])
        assert.deepEqual(database.asked, [])
      })
    }

    it('no such page: 404', async () => {
      assert.deepEqual(refused(await served.get('/kittens')), [404, 'ERR_NO_ROUTE'])
    })
  })

  describe('with its database', () => {
    const database = openDatabase()
    let all: Puppy[]

    before(async function () {
      this.timeout(60_000)
      await createPuppies(database, 300)
      all = (await database.query('SELECT * FROM puppies ORDER BY id')) as Puppy[]
    })
    after(() => database.close())

    const far = (one: Puppy, other: Pick<Puppy, 'energy' | 'cuddles' | 'noise'>): number =>
      (one.energy - other.energy) ** 2 + (one.cuddles - other.cuddles) ** 2 + (one.noise - other.noise) ** 2

    it('the nearest come first, page by page, each with the one that is most like it', async () => {
      const wish = { energy: 90, cuddles: 20, noise: 60, member: false }
      const nearest = [...all].sort((one, other) => far(one, wish) - far(other, wish) || one.id - other.id)
      for (const page of [1, 2]) {
        const found = await matching(database, { ...wish, page })
        const expected = nearest.slice((page - 1) * 12, page * 12)
        assert.deepEqual(
          found.map(({ id }) => id),
          expected.map(({ id }) => id),
        )
        for (const puppy of found) {
          const others = all.filter(({ id }) => id !== puppy.id)
          const least = Math.min(...others.map((other) => far(puppy, other)))
          const alike = others.filter((other) => far(puppy, other) === least).map(({ name }) => name)
          assert.ok(alike.includes(puppy.friend), `${puppy.name} plays best with ${puppy.friend}, not ${alike}`)
        }
      }
      assert.deepEqual(await matching(database, { ...wish, page: 26 }), [])
    })

    it('they are of every sort, and the same every time', () => {
      assert.equal(all.length, 300)
      for (const [what, count] of Object.entries({ coat: 5, ears: 2, patch: 2, weeks: 9 })) {
        assert.equal(new Set(all.map((puppy) => puppy[what as 'coat'])).size, count, what)
      }
      const { id, name, weeks, energy } = all[0] as Puppy
      assert.deepEqual({ id, name, weeks, energy }, { id: 1, name: 'Dot', weeks: 11, energy: 21 })
    })

    it('many at once are all answered', async () => {
      served = await serve(createApp(database).app)
      const asking = Array.from({ length: 20 }, (_, page) => served.get(`/?page=${page + 1}`))
      const ids = (await Promise.all(asking)).flatMap(({ body }) =>
        (JSON.parse(body).puppies as Puppy[]).map(({ id }) => id),
      )
      assert.equal(new Set(ids).size, 240)
    })

    const missing = existsSync(executablePath) ? '' : ` (SKIPPED: there is no ${executablePath})`
    describe(`in Chromium${missing}`, function () {
      this.timeout(60_000)
      let browser: Browser
      before(async function () {
        if (missing !== '') this.skip()
        browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
      })
      after(() => browser?.close())
      beforeEach(async () => {
        served = await serve(createApp(database).app)
      })

      it('a wish by the form brings other puppies, and there are more of them', async () => {
        const page = await browser.newPage()
        await page.goto(served.url)
        const names = () => page.locator('h2').allTextContents()
        const before = await names()
        assert.equal(before.length, 12)
        await page.getByLabel('Energy').fill('100')
        await page.getByLabel('Noise').fill('100')
        await page.getByRole('button', { name: 'Find my puppy' }).click()
        await page.waitForURL(/energy=100/)
        const loud = await names()
        assert.notDeepEqual(loud, before)
        assert.equal(await page.getByLabel('Energy').inputValue(), '100')
        await page.getByRole('link', { name: 'More puppies' }).click()
        await page.getByRole('link', { name: 'Back' }).waitFor()
        assert.equal(await page.locator('article').count(), 12)
        await page.getByRole('link', { name: 'Back' }).click()
        await page.waitForURL(/page=1/)
        assert.deepEqual(await names(), loud)
        await page.close()
      })

      it('fits into every width', async () => {
        const page = await browser.newPage()
        const fits = async (width: number): Promise<void> => {
          await page.setViewportSize({ width, height: 900 })
          const wide = await page.locator('html').evaluate(({ scrollWidth }) => scrollWidth)
          assert.ok(wide <= width, `it is ${wide} wide in ${width}`)
        }
        await page.goto(`${served.url}/${'nowhere'.repeat(30)}`)
        await fits(320)
        await page.goto(served.url)
        for (const width of [320, 390, 800, 1280]) {
          await fits(width)
          // SCREENSHOTS=1: to look at
          if (process.env['SCREENSHOTS']) {
            await page.screenshot({ path: join(tmpdir(), `lanes-${width}.png`), fullPage: true })
          }
        }
        await page.close()
      })
    })
  })

  it('npm run lanes: says where it is, answers, and ends', async function () {
    this.timeout(60_000)
    const example = run('lanes')
    const [, url] = await example.prints(/Puppies are on (\S+)/)
    const { status, body } = await ask(`${url}/?energy=90&cuddles=20`)
    assert.equal(status, 200)
    assert.equal(JSON.parse(body).puppies.length, 12)
    example.signal('SIGINT')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })
})
