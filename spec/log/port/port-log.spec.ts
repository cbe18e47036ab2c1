import assert from 'node:assert/strict'
import { describeLog } from '../../../src/log/describe-log.js'
import type { Log } from '../../../src/log/log.js'
import { MemoryLog } from '../../../src/log/memory.js'
import { LogOwner, PortLog } from '../../../src/log/port/index.js'
import { type Host, type Kind, start } from '../../support/hosts.js'
import { fourWrite } from '../four-write.js'

const homes: [title: string, kind: Kind, serialization: 'json' | 'advanced'][] = [
  ['a thread', 'thread', 'json'],
  ['a process', 'process', 'json'],
  ['a process, with advanced serialization', 'process', 'advanced'],
]

for (const [title, kind, serialization] of homes) {
  describe(`the log of ${title}`, () => {
    let host: Host
    before(async () => {
      host = await start(kind, new URL('owner.ts', import.meta.url), serialization)
    })
    after(() => host.end())

    const names = new WeakMap<Log, string>()
    let opened = 0
    const follower = (name: string): Log => {
      const log = new PortLog(host.port, { name })
      names.set(log, name)
      return log
    }
    describeLog(
      'PortLog',
      async () => {
        const name = `log ${++opened}`
        host.say({ open: name })
        return follower(name)
      },
      {
        another: async (log) => follower(names.get(log) as string),
        advance: async (ms) => {
          const advanced = host.hears('now')
          host.say({ advance: ms })
          await advanced
        },
      },
    )
  })
}

describe('followers of one log', () => {
  for (const kind of ['thread', 'process'] as const) {
    it(`4 ${kind === 'thread' ? 'threads' : 'processes'} write 10 000 messages: one order for all, each message once`, async () => {
      const total = 10_000
      const log = new MemoryLog()
      const owner = new LogOwner(log)
      const hosts = await Promise.all(
        Array.from({ length: 4 }, () => start(kind, new URL('writer.ts', import.meta.url))),
      )
      for (const { port } of hosts) owner.serve(port)
      await fourWrite(hosts, log, total)
      assert.equal(owner.size, 0)
    })
  }
})
