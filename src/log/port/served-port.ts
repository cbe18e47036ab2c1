import type { Clock } from '../../core/clock.js'
import { type Appended, Guest, type GuestHouse } from './guest.js'
import { Outbox } from './outbox.js'
import { type Line, listen, type Port } from './port.js'
import { isOurs, MARK, type ToFollower, type Told, type ToOwner } from './wire.js'

/** What the ports of one owner have in common. */
export interface House extends GuestHouse {
  readonly name: string
  readonly clock: Clock
  /** A follower is here, over this port. @returns what it has appended and not heard of, over whatever port */
  comes(from: string, port: object): Appended
  /** It is no longer here over this port; over another one it may be. */
  goes(from: string, port: object): void
}

interface Known {
  readonly guest: Guest
  readonly outbox: Outbox<Told>
}

/** One port at the owner's end: who is at the other end, and who says what. */
export class ServedPort {
  readonly #house: House
  readonly #line: Line
  readonly #guests = new Map<string, Known>()
  readonly #ended: () => void

  /** @param ended called when the port has */
  constructor(port: Port, house: House, ended: () => void) {
    this.#house = house
    this.#ended = ended
    const heard = (message: unknown): void => {
      if (isOurs<ToOwner>(message, house.name, 'from')) this.#hear(message)
    }
    this.#line = listen(port, heard, () => this.#end())
    this.#post('', [['who']])
  }

  /** Says what is still to be said, and that there will be nothing more. */
  leave(): void {
    for (const { outbox } of this.#guests.values()) outbox.flush()
    this.#post('', [['gone']])
    this.#line.hangUp()
    this.#end()
  }

  #end(): void {
    for (const from of [...this.#guests.keys()]) this.#forget(from)
    this.#ended()
  }

  #hear({ from, done, words }: ToOwner): void {
    for (const word of words) {
      if (word[0] === 'hello') this.#welcome(from)
      const guest = this.#guests.get(from)?.guest
      if (guest === undefined) {
        // it says all of this again, after its hello
        if (word[0] !== 'bye') this.#post(from, [['who']])
        break
      }
      guest.forget(done)
      if (word[0] === 'bye') this.#forget(from)
      else guest.hear(word)
    }
  }

  #welcome(from: string): void {
    this.#forget(from)
    const outbox = new Outbox<Told>(this.#house.clock, (words) => this.#post(from, words))
    const guest = new Guest(this.#house, this.#house.comes(from, this), (word) => {
      // what it asked for before it said hello anew is answered to nobody
      if (this.#guests.get(from)?.outbox === outbox) outbox.say(word)
    })
    this.#guests.set(from, { guest, outbox })
    outbox.say(['welcome'])
  }

  #forget(from: string): void {
    const known = this.#guests.get(from)
    if (known === undefined) return
    this.#guests.delete(from)
    known.outbox.drop()
    known.guest.leave()
    this.#house.goes(from, this)
  }

  #post(to: string, words: readonly Told[]): void {
    this.#line.post({ [MARK]: this.#house.name, to, words } satisfies ToFollower)
  }
}
