import type { Holder, Life } from '../core/life.js'

/** One continuation that waits under one key: a link of the key's line. */
export interface Link extends Holder {
  readonly life: Life
  readonly line: Line
  readonly client: string | undefined
  /** The same continuation under another key of the same manager. */
  readonly also: Link | undefined
  before: Link | undefined
  after: Link | undefined
}

/** All that wait under one key, in order of arrival. Joining and leaving cost the same however many there are. */
export class Line {
  readonly key: unknown
  #first: Link | undefined
  #last: Link | undefined
  #size = 0
  /** Only where a second stash replaces the first. */
  readonly #byClient: Map<string, Link> | undefined

  constructor(key: unknown, byClient: boolean) {
    this.key = key
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

  remove(link: Link): void {
    if (link.before === undefined) this.#first = link.after
    else link.before.after = link.after
    if (link.after === undefined) this.#last = link.before
    else link.after.before = link.before
    link.before = undefined
    link.after = undefined
    this.#size--
    if (link.client !== undefined && this.of(link.client) === link) this.#byClient?.delete(link.client)
  }

  *[Symbol.iterator](): IterableIterator<Life> {
    for (let link = this.#first; link !== undefined; link = link.after) yield link.life
  }
}
