import type { Groups } from '../core/hold-count.js'
import type { Holder } from '../core/holders.js'
import type { Life } from '../core/life.js'

/** What keeps the lines, and is told who leaves by itself. */
export interface Home {
  left(link: Link): void
}

/** One continuation that waits under one key: a link of the key's line. */
export class Link implements Holder {
  readonly life: Life
  readonly line: Line
  readonly groups: Groups
  readonly client: string | undefined
  /** The same continuation under another key of the same manager. */
  readonly also: Link | undefined
  before: Link | undefined
  after: Link | undefined

  constructor(life: Life, line: Line, groups: Groups, client: string | undefined, also: Link | undefined) {
    this.life = life
    this.line = line
    this.groups = groups
    this.client = client
    this.also = also
  }

  letGo(): void {
    this.line.letGo(this)
  }
}

/** All that wait under one key, in order of arrival. Joining and leaving cost the same however many there are. */
export class Line {
  readonly key: unknown
  readonly #home: Home
  #first: Link | undefined
  #last: Link | undefined
  #size = 0
  /** All of them left together: whoever is decided one by one now has left already. */
  #disbanded = false
  /** Only where a second stash replaces the first. */
  readonly #byClient: Map<string, Link> | undefined

  constructor(key: unknown, home: Home, byClient: boolean) {
    this.key = key
    this.#home = home
    this.#byClient = byClient ? new Map() : undefined
  }

  get size(): number {
    return this.#size
  }

  of(client: string | undefined): Link | undefined {
    return client === undefined ? undefined : this.#byClient?.get(client)
  }

  push(link: Link): void {
    link.before = this.#last
    if (this.#last === undefined) this.#first = link
    else this.#last.after = link
    this.#last = link
    this.#size++
    if (link.client !== undefined) this.#byClient?.set(link.client, link)
  }

  letGo(link: Link): void {
    if (this.#disbanded) return
    if (link.before === undefined) this.#first = link.after
    else link.before.after = link.after
    if (link.after === undefined) this.#last = link.before
    else link.after.before = link.before
    link.before = undefined
    link.after = undefined
    this.#size--
    if (link.client !== undefined && this.of(link.client) === link) this.#byClient?.delete(link.client)
    this.#home.left(link)
  }

  /** All leave at once. */
  disband(): void {
    this.#disbanded = true
  }

  *[Symbol.iterator](): IterableIterator<Link> {
    for (let link = this.#first; link !== undefined; link = link.after) yield link
  }

  /** Those whose suspension is undecided, the first `count` of them. */
  waiting(count: number): Link[] {
    const waiting: Link[] = []
    for (let link = this.#first; link !== undefined && waiting.length < count; link = link.after) {
      if (link.life.isWaiting) waiting.push(link)
    }
    return waiting
  }
}
