import { rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'

export type Direction = 'asked' | 'answered'
export type Kind = 'commands' | 'doorbells'

export interface CuttingProxy {
  readonly url: string
  readonly cuts: number
  /** Bytes that went by, in each direction. */
  readonly bytes: Record<Direction, number>
  /** Connections that are open. */
  readonly open: number
  /** Cuts the next connection of this kind over which more than so many bytes go, behind just so many. */
  arm(kind: Kind, direction: Direction, after: number): void
  /** Nothing was cut: it is called off. */
  disarm(): void
  close(): Promise<void>
}

/** A way to Redis that is cut where a test says, to the byte. */
export async function cuttingProxy(upstream: string): Promise<CuttingProxy> {
  const path = `${upstream}.cut`
  const sockets = new Set<Socket>()
  const bytes = { asked: 0, answered: 0 }
  let armed: { kind: Kind; direction: Direction; left: number } | undefined
  let cuts = 0

  const server = createServer((client) => {
    const target = connect(upstream)
    let kind: Kind = 'commands'
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
    const pass = (direction: Direction, to: Socket) => (chunk: Buffer) => {
      bytes[direction] += chunk.length
      if (direction === 'asked' && chunk.includes('XREAD')) kind = 'doorbells'
      if (armed?.kind !== kind || armed.direction !== direction) {
        to.write(chunk)
        return
      }
      if (chunk.length <= armed.left) {
        armed.left -= chunk.length
        to.write(chunk)
        return
      }
      const part = chunk.subarray(0, armed.left)
      armed = undefined
      cuts++
      client.removeAllListeners('data')
      target.removeAllListeners('data')
      // the part arrives, and then there is nothing more
      to.write(part, () => {
        client.destroy()
        target.destroy()
      })
    }
    client.on('data', pass('asked', target))
    target.on('data', pass('answered', client))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    url: `unix://${path}`,
    bytes,
    get cuts() {
      return cuts
    },
    get open() {
      return sockets.size / 2
    },
    arm(kind, direction, after) {
      armed = { kind, direction, left: after }
    },
    disarm() {
      armed = undefined
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          rmSync(path, { force: true })
          resolve()
        })
        for (const socket of sockets) socket.destroy()
      }),
  }
}
