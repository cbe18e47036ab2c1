import assert from 'node:assert/strict'
import Koa from 'koa'
import { type Channel, continuations, Hub, MemoryLog } from '../../src/index.js'
import type { After } from '../../src/log/log.js'
import { follow } from '../support/following.js'
import { gate, until } from '../support/gate.js'
import { type Served, serve } from '../support/serve.js'

const events = { accept: 'text/event-stream' }

/** A log that takes its time where it is read from its beginning. */
class SlowLog extends MemoryLog {
  readonly through = gate()
  isReading = false

  override async read(channel: string, after: After, bytes?: number): ReturnType<MemoryLog['read']> {
    if (after === 'oldest') {
      this.isReading = true
      await this.through
    }
    return super.read(channel, after, bytes)
  }
}

describe('a request that was busy while a newer one of its client came to wait', () => {
  let log: SlowLog
  let hub: Hub
  let lobby: Channel
  let served: Served
  beforeEach(async () => {
    log = new SlowLog()
    hub = new Hub({ log, clientId: (ctx) => ctx.get('x-client') || undefined })
    lobby = hub.channel('lobby')
    hub.channel('kitchen')
    const [one, several] = [lobby.subscriber(), hub.subscriber(({ query }) => String(query['names']).split(','))]
    const app = new Koa().use(continuations())
    app.use((ctx, next) => (ctx.path === '/hub' ? several : one)(ctx, next))
    served = await serve(app)
  })
  afterEach(() => served.close())

  const ann = { 'x-client': 'ann' }
  const here = (count: number) => until(() => lobby.size === count)
  const waiting = (count: number) => until(() => lobby.waiters.size === count)
  const reading = () => until(() => log.isReading)

  it('a stream: it tells what it has read, and ends; the newer one goes on', async () => {
    await lobby.publish(1)
    const opening = follow(`${served.url}/?cursor=0`, { ...events, ...ann })
    await reading()
    const newer = await follow(served.url, { ...events, ...ann })
    await waiting(1)
    log.through.open()
    const older = await opening
    await until(() => older.ended)
    assert.match(older.text, /data: 1\n\n$/)
    assert.deepEqual([older.response.complete, newer.ended, lobby.size], [true, false, 1])
    assert.equal((await lobby.publish(2)).woken, 1)
    await newer.holds('data: 2\n')
    newer.close()
    await here(0)
  })

  for (const [what, path] of [
    ['a poll', '/?cursor=0'],
    ['a poll of several channels, of which the newer one waits in the second', '/hub?names=kitchen,lobby&cursor=0'],
  ] as const) {
    it(`${what}: 204; the newer one waits on`, async () => {
      const older = served.get(path, ann)
      await reading()
      const newer = served.get('/', ann)
      await waiting(1)
      log.through.open()
      assert.equal((await older).status, 204)
      assert.equal((await lobby.publish(1)).woken, 1)
      assert.match((await newer).body, /"data":1/)
    })
  }

  it('waits after all where the newer one has left meanwhile, or is of somebody else', async () => {
    const older = served.get('/?cursor=0', ann)
    await reading()
    const newer = served.get('/', ann)
    const other = served.get('/', { 'x-client': 'bob' })
    const nobody = [served.get('/'), served.get('/')]
    await waiting(4)
    newer.request.destroy()
    await here(4)
    log.through.open()
    await waiting(4)
    assert.equal((await lobby.publish(1)).woken, 4)
    for (const asking of [older, other, ...nobody]) assert.equal((await asking).status, 200)
  })
})
