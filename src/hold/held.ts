import type * as Koa from 'koa'
import { Chain, Chained } from '../core/chain.js'
import type { Groups } from '../core/hold-count.js'
import { BareConnection } from '../koa/bare-connection.js'
import { closeAfter, closingOf, watchQueued } from '../koa/connection.js'
import type { Taker } from '../koa/hands.js'
import { isUnheard } from '../koa/unheard.js'

type Response = Koa.Context['res']

/** Whoever holds. */
interface Holder {
  /** The client has left. */
  forget(held: Held): void
  /** All that stands above a request has returned: now it can be let go of. */
  returned(held: Held): void
}

/** All that are held under one key. */
export interface Line {
  readonly key: unknown
  readonly places: Chain<Place>
}

/** The line of those who are done with. */
const nowhere: Line = { key: undefined, places: new Chain() }

/** Where one stands in the line of its key. */
class Place extends Chained<Place> {
  readonly held: Held

  constructor(held: Held) {
    super()
    this.held = held
  }
}

/** One response that is held. Where it is let go of, what is held next on the same connection takes the place of it. */
export class Held extends Chained<Held> implements Taker {
  /** `undefined` once it is to be written to. */
  res: Response | BareConnection | undefined
  line!: Line
  readonly place = new Place(this)
  groups!: Groups
  until = 0
  #holder: Holder | undefined

  /** The one that was held last on the connection of a response, if it is done with: long held, it has nothing young about it. */
  static on(res: Response): Held {
    const last = BareConnection.ownerOn(res)
    return last instanceof Held && last.res === undefined ? last : new Held()
  }

  begin(holder: Holder, res: Response, line: Line, groups: Groups, until: number): void {
    this.#holder = holder
    this.res = res
    this.line = line
    this.groups = groups
    this.until = until
    // of one that was let go of, Node says at once that it is closed
    onClose(res, () => this.res === res && this.left())
  }

  left(): void {
    this.#holder?.forget(this)
  }

  /** What is kept of it, where it is not let go of and not answered. */
  get response(): Response | undefined {
    return this.res instanceof BareConnection ? undefined : this.res
  }

  returned({ res }: Koa.Context): void {
    if (this.res === res) this.#holder?.returned(this)
  }

  /** Keeps nothing but the connection, where that can be done. @param heard even where somebody listens to the response */
  letGo(heard: boolean): void {
    const { response } = this
    if (response === undefined) return
    const unheard = isUnheard(response)
    if (heard || unheard) this.res = BareConnection.of(response, this, unheard) ?? response
  }

  /** It is nobody's any more, and keeps nothing for as long as its connection is open. @returns what is to be written to */
  take(): Response | BareConnection | undefined {
    const { res } = this
    this.res = undefined
    this.line = nowhere
    this.#holder = undefined
    return res
  }

  closeAfter(): void {
    if (this.res instanceof BareConnection) this.res.closeAfter()
    else if (this.res !== undefined) closeAfter(this.res)
  }

  onClose(closed: () => void): void {
    if (this.res instanceof BareConnection) this.res.socket.once('close', closed)
    else if (this.res !== undefined) onClose(this.res, closed)
  }
}

function onClose(res: Response, closed: () => void): void {
  closingOf(res).on('close', closed)
  watchQueued(res, closed)
}
