// One who has many connections from a few addresses, and uses them in every bad way.
import { connect, type Socket } from 'node:net'
import { seeded } from '../../support/random.js'
import { answer } from '../child.js'
import { Asker } from '../wire.js'
import type { AttackFigures, AttackOptions } from './attack.js'

const random = seeded(4)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const figures: AttackFigures = { hold: 0, trickle: 0, abort: 0, flood: 0 }
let attacking = false
let port = 0

/** Asks for what is held, and asks again when it is over. */
async function hold(address: string): Promise<void> {
  const asker = new Asker(port, address)
  while (attacking) {
    figures.hold++
    await asker.ask('/hold')
  }
}

/** Sends a head, or a body, a byte a second. */
async function trickle(address: string, n: number): Promise<void> {
  while (attacking) {
    figures.trickle++
    const socket = connect({ port, host: '127.0.0.1', localAddress: address })
    socket.on('error', () => {})
    socket.resume()
    socket.write(
      n % 2 === 0
        ? 'GET /work HTTP/1.1\r\nHost: a\r\nX-Slow: '
        : 'POST /work HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n',
    )
    while (attacking && !socket.destroyed) {
      await sleep(1_000)
      socket.write('x')
    }
    socket.destroy()
  }
}

/** Connects, asks, and leaves at any moment of the next four seconds; and again. */
async function abort(address: string): Promise<void> {
  while (attacking) {
    figures.abort++
    const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: address })
    socket.on('error', () => {})
    socket.write('GET /work HTTP/1.1\r\nHost: a\r\n\r\n')
    await sleep(4_000 * random())
    socket.resetAndDestroy()
  }
}

/** Asks as fast as answers come. */
async function flood(address: string): Promise<void> {
  const asker = new Asker(port, address)
  while (attacking) {
    figures.flood++
    await asker.ask('/work')
  }
}

async function begin({ port: to, connections, addresses }: AttackOptions): Promise<void> {
  port = to
  attacking = true
  const ways: ((address: string, n: number) => Promise<void>)[] = [hold, trickle, abort, flood]
  for (let n = 0; n < connections; n++) {
    const address = `127.0.2.${1 + (n % addresses)}`
    void ways[n % ways.length]?.(address, n >> 2)
    // a thousand a second
    if (n % 100 === 99) await sleep(100)
  }
}

answer({
  begin,
  figures: () => {
    const told = { ...figures }
    Object.assign(figures, { hold: 0, trickle: 0, abort: 0, flood: 0 })
    return told
  },
  end: () => {
    attacking = false
  },
})
