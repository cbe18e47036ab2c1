// node:http, with each response that is held in a Set, and taken out of it when its client leaves. No time limit.
import { Lines } from '../lines.js'
import { read } from '../read.js'

export function attach(server) {
  const lines = new Lines()

  async function publish(key, req, res) {
    const message = await read(req)
    const waiting = lines.take(key)
    for (const res of waiting) res.end(message)
    res.end(String(waiting.size))
  }

  server.on('request', (req, res) => {
    const [, route, key] = req.url.split('/')
    if (route === 'hold') {
      lines.add(key, res)
      res.on('close', () => lines.delete(key, res))
    } else if (route === 'publish') publish(key, req, res)
    else res.end('here')
  })
  return { held: () => lines.size }
}
