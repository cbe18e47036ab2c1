import assert from 'node:assert/strict'
import { lifeOf } from '../../src/core/continuation.js'
import { ContinuationManager, MemoryLog, Relay, type RelayReceipt } from '../../src/index.js'
import { LogOwner } from '../../src/log/port/index.js'
import { RedisLog } from '../../src/log/redis/index.js'
import { BareHost } from '../support/bare-host.js'
import { until } from '../support/gate.js'
import { type Host, start } from '../support/hosts.js'
import { noRedis, redisServer } from '../support/redis-server.js'

/** What no channel can be called: it comes whole through every log. */
const ENTRIES = '\udc00relay:relay'
const MANGLED = '\ufffdrelay:relay'

interface Server {
  readonly host: Host
  readonly url: string
}

for (const kind of ['process', 'thread'] as const) {
  describe(`a relay from ${kind} to ${kind}`, () => {
    it('wakes who waits in the others, and says how many; one that is killed is silent once', async () => {
      const log = new MemoryLog()
      const owner = new LogOwner(log)
      const own = new Relay(new ContinuationManager(), log, { gather: 1_000 })
      const begin = async (): Promise<Server> => {
        const host = await start(kind, new URL('waiter.ts', import.meta.url))
        owner.serve(host.port)
        const listening = host.hears('port')
        host.say({ listen: true })
        return { host, url: `http://127.0.0.1:${(await listening).port}/` }
      }
      const servers = (await Promise.all([begin(), begin(), begin()])) as [Server, Server, Server]
      const [one, two, three] = servers
      await until(() => own.others === 3)

      /** When it has resolved, the request waits. */
      const wait = async ({ host, url }: Server): Promise<{ answer: Promise<string> }> => {
        const waits = host.hears('waits')
        const answer = fetch(url).then((response) => response.text())
        answer.catch(() => {})
        await waits
        return { answer }
      }
      const wake = async ({ url }: Server, message: string): Promise<RelayReceipt> =>
        (await fetch(`${url}?message=${message}`, { method: 'POST' })).json() as Promise<RelayReceipt>

      const waiting = [await wait(one), await wait(two), await wait(two), await wait(three)]
      assert.deepEqual({ ...(await wake(one, 'hello')), id: '' }, { id: '', woken: 1, elsewhere: 3, silent: 0 })
      for (const { answer } of waiting) assert.equal(await answer, 'hello')

      const cutOff = await wait(two)
      const others = [await wait(one), await wait(three)]
      await two.host.kill()
      await assert.rejects(cutOff.answer)
      assert.deepEqual(
        { ...(await own.resume('key', { message: 'again' })), id: '' },
        { id: '', woken: 0, elsewhere: 2, silent: 1 },
      )
      for (const { answer } of others) assert.equal(await answer, 'again')
      const last = await wait(three)
      assert.deepEqual(
        { ...(await own.resume('key', { message: 'bye' })), id: '' },
        { id: '', woken: 0, elsewhere: 1, silent: 0 },
      )
      assert.equal(await last.answer, 'bye')

      const entries = (await log.read(ENTRIES, 'oldest')).messages.map(({ data }) => JSON.parse(data))
      assert.equal(entries.filter((entry) => entry.do === 'join').length, 4)
      await own.close()
      await Promise.all([one, three].map(({ host }) => host.end()))
    })
  })
}

describe(`a relay over Redis${noRedis}`, () => {
  it('wakes who waits in another process, and says how many', async function () {
    if (noRedis !== '') this.skip()
    const server = await redisServer()
    const logs = [new RedisLog({ url: server.url }), new RedisLog({ url: server.url })] as const
    const [here, there] = logs.map((log) => new Relay(new ContinuationManager(), log, { gather: 200 })) as [
      Relay,
      Relay,
    ]
    await Promise.all([here.ready(), there.ready()])
    await until(() => here.others === 1)
    const host = new BareHost()
    host.continuation.suspend()
    void lifeOf(host.continuation).returned(true)
    there.manager.stash(host.continuation, 'a')
    const { woken, elsewhere } = await here.resume('a', { n: [1] })
    assert.deepEqual([woken, elsewhere], [0, 1])
    assert.deepEqual(host.continuation.getAttribute('n'), [1])
    assert.equal((await logs[0].read(ENTRIES, 'oldest')).messages.length > 0, true)
    assert.deepEqual((await logs[0].read(MANGLED, 'oldest')).messages, [])
    await Promise.all([here.close(), there.close()])
    await Promise.all(logs.map((log) => log.close()))
    await server.close()
  })
})
