import { Chain, Chained } from '../core/chain.js'
import type { Groups } from '../core/hold-count.js'
import type { Holder } from '../core/holders.js'
import type { Life } from '../core/life.js'

/** What keeps the lines, and is told who leaves by itself. */
export interface Home {
  left(link: Link): void
}

/** One continuation that waits under one key: a link of the key's line. */
export class Link extends Chained<Link> implements Holder {
  readonly life: Life
  readonly line: Line
  /** Where it counts against the limits: of a client, one link of each request does. */
  groups: Groups
  readonly client: string | undefined
  /** When it came, as a number that grows in the manager. */
  arrival = 0
  /** Which one of the manager it is; `undefined` for one that waits there under another key already. */
  place: number | undefined = undefined

  constructor(life: Life, line: Line, groups: Groups, client: string | undefined) {
    super()
    this.life = life
    this.line = line
    this.groups = groups
    this.client = client
  }

  letGo(): void {
    this.line.letGo(this)
  }
}

/** All that wait under one key, in order of arrival. Joining and leaving cost the same however many there are. */
export class Line extends Chain<Link> {
  readonly key: unknown
  readonly home: Home
  /** Only where a second stash replaces the first. */
  readonly #byClient: Map<string, Link> | undefined

  constructor(key: unknown, home: Home, byClient: boolean) {
    super()
    this.key = key
    this.home = home
    this.#byClient = byClient ? new Map() : undefined
  }

  of(client: string | undefined): Link | undefined {
    return client === undefined ? undefined : this.#byClient?.get(client)
  }

  override push(link: Link): void {
    super.push(link)
    // `''`, as for a header that is not there, is nobody's name
    if (link.client) this.#byClient?.set(link.client, link)
  }

  letGo(link: Link): void {
    if (!this.delete(link)) return
    if (link.client !== undefined && this.of(link.client) === link) this.#byClient?.delete(link.client)
    this.home.left(link)
  }

  /** All leave at once: whoever is decided one by one now has left already. */
  disband(): void {
    while (this.shift() !== undefined);
  }

  /** Those whose suspension is undecided, the first `count` of them that have come up to an arrival. */
  waiting(count: number, last: number): Link[] {
    const waiting: Link[] = []
    for (let link = this.first; link !== undefined && waiting.length < count; link = link.after) {
      if (link.arrival > last) break
      if (link.life.isWaiting) waiting.push(link)
    }
    return waiting
  }
}
