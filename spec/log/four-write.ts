import assert from 'node:assert/strict'
import type { Log } from '../../src/log/log.js'
import type { Host } from '../support/hosts.js'

/** Four `writer`s write at once, and follow: one order for all, with each message once. Ends them. */
export async function fourWrite(hosts: readonly Host[], log: Log, total: number): Promise<void> {
  const ready = hosts.map(({ hears }) => hears('ready'))
  for (const { say } of hosts) say({ areYou: 'ready' })
  await Promise.all(ready)
  const seen = hosts.map(({ hears }) => hears('seen'))
  for (const [who, { say }] of hosts.entries()) say({ write: { who, count: total / hosts.length, total } })
  const histories = (await Promise.all(seen)).map(({ seen }) => seen)
  await Promise.all(hosts.map(({ end }) => end()))

  const { messages } = await log.read('a', 'oldest')
  const history = messages.map(({ seq, data }) => `${seq} ${data}`)
  assert.deepEqual(
    messages.map(({ seq }) => seq),
    Array.from({ length: total }, (_, place) => place + 1),
  )
  for (const who of hosts.keys()) {
    const own = messages.map(({ data }) => JSON.parse(data) as number[]).filter(([whose]) => whose === who)
    assert.deepEqual(
      own.map(([, n]) => n),
      Array.from({ length: total / hosts.length }, (_, place) => place),
    )
  }
  const changes = messages.filter(({ data }, place) => data[1] !== messages[place - 1]?.data[1])
  assert.ok(changes.length > hosts.length, `the writers took turns ${changes.length} times`)
  for (const other of histories) assert.equal(other, history.join('\n'))
}
