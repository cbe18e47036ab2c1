import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Balancer {
  readonly port: number
  close(): Promise<void>
}

/**
 * What stands before several servers: every connection goes to the next one that takes it. Nothing is sticky.
 *
 * It stands in for the balancer that you have.
 *
 * @param backends ports of those that are there at the moment
 */
export async function balance(port: number, backends: () => readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>()
  let turn = 0

  const server = createServer(async (client) => {
    keep(client)
    for (let tries = backends().length; tries > 0 && !client.destroyed; tries--) {
      const ports = backends()
      const target = await reached(ports[turn++ % ports.length] ?? 0)
      if (target === undefined) continue
      keep(target)
      client.once('close', () => target.destroy())
      target.once('close', () => client.destroy())
      client.pipe(target).pipe(client)
      return
    }
    client.destroy()
  })

  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }

  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function reached(port: number): Promise<Socket | undefined> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return undefined
  }
}
