import { Client } from './client.js'
import { Publisher } from './publisher.js'

/** The clients of one server, and who publishes to them. */
export class Crowd {
  /** @type {Client[]} */
  clients = []
  publisher = new Publisher()
  /** A client asks again as soon as it was answered. */
  atOnce = false
  /** How many wait for a message, as far as they know. */
  asking = 0
  /** How often something came. */
  heard = 0
  /** Called with a client and the stamp of each message that it gets. */
  onMessage = () => {}
  #allAsked = () => {}

  /**
   * Connects clients until there are `count`, each under the key that `keyOf` says. Drivers that run side by side begin at
   * a loopback `address` each.
   */
  async open({ port, count, dialect, keyOf = () => 'all', connections = 1, address }) {
    await this.publisher.open(port, connections)
    while (this.clients.length < count) {
      const some = Array.from({ length: Math.min(100, count - this.clients.length) }, (_, more) =>
        this.make({ dialect, place: this.clients.length + more, keyOf, address }),
      )
      await Promise.all(some.map((client) => client.open(port)))
      this.clients.push(...some)
    }
  }

  make({ dialect, place, keyOf = () => 'all', address = 0 }) {
    return new Client({ dialect, key: keyOf(place), place, address }, this)
  }

  onAnswered() {
    this.asking--
  }

  onAsked() {
    if (++this.asking >= this.clients.length) this.#allAsked()
  }

  /** Everybody asks who does not wait yet. Resolves when the last has sent its request. */
  async hold() {
    const all = new Promise((resolve) => {
      this.#allAsked = resolve
    })
    let place = 0
    for (const client of this.clients) {
      client.ask()
      // in portions, as they would come
      if (++place % 100 === 0) await new Promise(setImmediate)
    }
    if (this.asking < this.clients.length) await all
  }

  close() {
    for (const client of this.clients.splice(0)) client.close()
    this.publisher.close()
    this.asking = 0
  }
}
