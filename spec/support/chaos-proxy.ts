import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface ChaosProxy {
  readonly port: number
  /** How many connections were cut, and how many stood still for a while. */
  readonly tally: { connections: number; cuts: number; stalls: number }
  close(): Promise<void>
}

/**
 * A proxy that treats connections badly: it cuts some in the middle of an answer, some before the first byte of one, and
 * lets others stand still for a while.
 *
 * @param random from 0 to 1
 * @param pause waits for as long as a connection that stalls is to stand still
 */
export async function chaosProxy(
  upstream: number,
  random: () => number,
  pause: () => Promise<void>,
): Promise<ChaosProxy> {
  const tally = { connections: 0, cuts: 0, stalls: 0 }
  const open = new Set<Socket>()
  const server = createServer((client) => {
    tally.connections++
    const target = connect(upstream, '127.0.0.1')
    for (const socket of [client, target]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    const fate = random()
    /** Bytes of answers after which it is cut; at 0 a whole answer is dropped on its way. */
    let left = fate < 0.2 ? 0 : Math.floor(random() ** 2 * (fate < 0.6 ? 30_000 : fate < 0.9 ? 1_000_000 : 30_000_000))
    const stalls = fate > 0.5 && fate < 0.8
    client.on('close', () => target.destroy())
    client.pipe(target)
    target.on('data', async (chunk: Buffer) => {
      if (left < 0) return
      if (left <= chunk.length) {
        tally.cuts++
        target.destroy()
        client.write(chunk.subarray(0, left), () => client.destroy())
        left = -1
        return
      }
      left -= chunk.length
      const flows = client.write(chunk)
      if (stalls && random() < 0.3) {
        tally.stalls++
        target.pause()
        await pause()
        target.resume()
      } else if (!flows) {
        target.pause()
        client.once('drain', () => target.resume())
      }
    })
    target.on('close', () => client.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    tally,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}
