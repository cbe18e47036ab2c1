// Socket.IO by polling, each client in the room of its key. Its heartbeat is slower than by default: none falls into a round.
import { Server } from 'socket.io'
import { read } from '../read.js'

export function attach(server) {
  // before Socket.IO, which passes on what is not its own
  server.on('request', async (req, res) => {
    const [, route, key] = req.url.split('/')
    if (route === 'publish') {
      const message = await read(req)
      io.to(key).emit('news', message)
      res.end(String(io.of('/').adapter.rooms.get(key)?.size ?? 0))
    } else if (route === 'probe') res.end('here')
  })
  const io = new Server(server, { transports: ['polling'], serveClient: false, pingInterval: 120_000 })
  io.on('connection', (socket) => socket.join(socket.handshake.query.key))
  return { held: () => io.of('/').sockets.size }
}
