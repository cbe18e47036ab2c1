import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { bodyParser } from '@koa/bodyparser'
import type Router from '@koa/router'
import Koa from 'koa'
import { type Channel, ContinuationManager, continuations, type Log, Relay } from '../../src/index.js'
import { MemoryLog } from '../../src/log/memory.js'
import { LogOwner, PortLog, type PostingPort } from '../../src/log/port/index.js'
import { until } from '../support/gate.js'
import { type PortPair, portPair } from '../support/port-pair.js'
import { program } from '../support/program.js'
import { serve } from '../support/serve.js'
import { fileOf, type Snippet } from './snippets.js'

type Shows = (name: string, look: (own: Record<string, unknown>) => Promise<void>, add: () => object) => void
type Runs = (name: string, body: (snippet: Snippet) => Promise<void>) => void

const wide = { messages: 9, bytes: 900, age: 9_000 }

/** What is shown of logs in other threads and processes. */
export function showProcesses(shows: Shows, runs: Runs): void {
  shows(
    'src/log/port/owner.ts, LogOwner #1',
    async ({ owner, cluster }) => {
      const followers = (cluster as FakeCluster).workers.map((port) => new PortLog(port))
      const positions = await Promise.all(followers.map((log) => log.append('a', { data: '1' }, wide)))
      assert.deepEqual(
        positions.map(({ seq }) => seq),
        [1, 2],
      )
      for (const log of followers) await log.close()
      ;(owner as LogOwner).close()
    },
    () => ({ MemoryLog, LogOwner, cluster: new FakeCluster() }),
  )

  shows(
    'src/log/port/port-log.ts, PortLog #1',
    async ({ log, news, owner }) => {
      assert.match((await (news as Channel).publish('hello')).id, /-1$/)
      await (log as PortLog).close()
      ;(owner as LogOwner).close()
    },
    () => {
      const [process, child] = portPair().ends
      const owner = new LogOwner(new MemoryLog())
      owner.serve(child)
      return { PortLog, process, owner }
    },
  )

  shows(
    'docs/processes.md, When the owner is away #1',
    async ({ log, owner, pairs }) => {
      for (const cut of (pairs as PortPair[]).map(({ cut }) => cut)) {
        await (log as PortLog).append('a', { data: '1' }, wide)
        cut()
      }
      assert.equal((await (log as PortLog).read('a', 'oldest')).messages.length, 1)
      await (log as PortLog).close()
      ;(owner as LogOwner).close()
    },
    () => {
      const owner = new LogOwner(new MemoryLog())
      const pairs: PortPair[] = []
      const reconnect = (): PostingPort => {
        const pair = portPair()
        pairs.push(pair)
        owner.serve(pair.ends[0])
        return pair.ends[1]
      }
      return { PortLog, owner, pairs, reconnect, port: reconnect() }
    },
  )

  shows(
    'README.md, More than one process #1',
    async ({ log, cluster }) => {
      ;(cluster as FakeCluster).fork()
      const [port] = (cluster as FakeCluster).workers as [PostingPort]
      const follower = new PortLog(port)
      await follower.append('a', { data: '"hello"' }, wide)
      await follower.close()
      assert.equal((await (log as MemoryLog).read('a', 'oldest')).messages[0]?.data, '"hello"')
    },
    () => ({ MemoryLog, LogOwner, PortLog, cluster: Object.assign(new FakeCluster(), { isPrimary: true }) }),
  )

  const log = new MemoryLog()
  for (const name of [
    'README.md, More than one process #2',
    'docs/processes.md, Waking across processes #1',
    'src/relay/relay.ts, Relay #1',
  ]) {
    shows(
      name,
      async ({ relay, router }) => {
        const elsewhere = new ContinuationManager()
        const other = new Relay(elsewhere, log)
        await until(() => other.others === 1)
        const app = new Koa()
          .use(continuations())
          .use(bodyParser())
          .use((router as Router).routes())
        app.use(async (ctx) => {
          const waiting = ctx.continuation.wait()
          elsewhere.stash(ctx.continuation, 'news')
          await waiting
          ctx.body = ctx.continuation.getAttribute('message')
        })
        const served = await serve(app)
        const asking = served.get('/elsewhere')
        await until(() => elsewhere.size === 1)
        const { woken, elsewhere: others } = JSON.parse(
          (await served.post('/publish?message=hello', { message: 'hello' })).body,
        )
        assert.deepEqual([woken, others], [0, 1])
        assert.equal((await asking).body, 'hello')
        await served.close()
        await other.close()
        await (relay as Relay).close()
      },
      () => ({ Relay: QuickRelay, log }),
    )
  }

  for (const heading of ['Processes', 'Threads']) {
    runs(`docs/processes.md, ${heading} #1`, async (snippet) => {
      const ports = [await freePort(), await freePort()] as const
      const code = snippet.code.replaceAll('3000', String(ports[0])).replaceAll('3001', String(ports[1]))
      const running = spawn(process.execPath, [fileURLToPath(await program(await fileOf(snippet, code)))])
      const ended = once(running, 'close')
      try {
        const urls = ports.map((port) => `http://127.0.0.1:${port}/news`)
        const there = heading === 'Threads' ? urls : urls.slice(0, 1)
        for (const url of there) while (!(await fetch(`${url}?wait=0`).then(Boolean, () => false)));
        const body = JSON.stringify({ data: 'hello' })
        await fetch(there.at(-1) as string, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
        for (const url of there) {
          // of a cluster, each request is another worker's
          for (let count = 0; count < 4; count++) {
            const answer = await fetch(`${url}?cursor=0`, { headers: { connection: 'close' } })
            assert.equal(((await answer.json()) as { messages: { data: string }[] }).messages[0]?.data, 'hello')
          }
        }
      } finally {
        running.kill()
        await ended
      }
    })
  }
}

/** One that does not wait long for those that it does not know yet. */
class QuickRelay extends Relay {
  constructor(manager: ContinuationManager, log: Log) {
    super(manager, log, { gather: 50 })
  }
}

class FakeCluster extends EventEmitter {
  readonly workers: PostingPort[] = []
  fork(): void {
    const [primary, worker] = portPair().ends
    this.workers.push(worker)
    this.emit('fork', primary)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
