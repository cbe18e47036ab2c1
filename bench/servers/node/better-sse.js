// node:http with better-sse: a session a client, a channel a key. Without its heartbeat: none falls into a round.
import { createChannel, createSession } from 'better-sse'
import { read } from '../read.js'

export function attach(server) {
  const channels = new Map()
  let held = 0

  function channelOf(key) {
    if (!channels.has(key)) channels.set(key, createChannel())
    return channels.get(key)
  }

  server.on('request', async (req, res) => {
    const [, route, key] = req.url.split('/')
    if (route === 'hold') {
      channelOf(key).register(await createSession(req, res, { keepAlive: null }))
      held++
      res.once('close', () => held--)
    } else if (route === 'publish') {
      const channel = channelOf(key)
      channel.broadcast(await read(req), 'news')
      res.end(String(channel.sessionCount))
    } else res.end('here')
  })
  return { held: () => held }
}
