// A JSON route on node:http.
import { user } from './users.js'

export function attach(server) {
  server.on('request', (req, res) => {
    const [, route, id] = req.url.split('/')
    if (route !== 'users') {
      res.statusCode = 404
      res.end()
      return
    }
    const body = JSON.stringify(user(id))
    res.setHeader('Content-Type', 'application/json; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(body))
    res.end(body)
  })
  return { held: () => 0 }
}
