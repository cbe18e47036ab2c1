import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RoundRobin {
  readonly url: string
  /** How many requests each server has had, by its place. */
  readonly requests: number[]
  /** How many requests came of a client, and how many of them to another server than the one before. */
  readonly turns: { requests: number; changes: number }
  close(): Promise<void>
}

/**
 * A proxy that sends each request of a client (told by `x-client`) to the server after the one that had its last.
 *
 * @param servers where they are; one that is `undefined` is passed over
 */
export async function roundRobin(servers: () => readonly (string | undefined)[]): Promise<RoundRobin> {
  const requests: number[] = []
  const turns = { requests: 0, changes: 0 }
  const last = new Map<string, number>()
  const proxy = createServer((asked, answer) => {
    const client = String(asked.headers['x-client'] ?? '')
    const all = servers()
    const before = last.get(client)
    let place = before ?? client.length - 1
    for (let tries = 0; tries < all.length; tries++) {
      place = (place + 1) % all.length
      if (all[place] !== undefined) break
    }
    const url = all[place]
    if (url === undefined) {
      answer.writeHead(502).end()
      return
    }
    last.set(client, place)
    requests[place] = (requests[place] ?? 0) + 1
    turns.requests++
    if (before !== undefined && before !== place) turns.changes++

    const { method, headers } = asked
    const sent = request(new URL(asked.url ?? '/', url), { method, headers, agent: false })
    sent.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
      response.on('error', () => answer.destroy())
    })
    sent.on('error', () => answer.destroy())
    answer.on('close', () => sent.destroy())
    asked.pipe(sent)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`,
    requests,
    turns,
    close: () =>
      new Promise((resolve) => {
        proxy.close(() => resolve())
        proxy.closeAllConnections()
      }),
  }
}
