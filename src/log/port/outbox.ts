import type { Clock } from '../../core/clock.js'

/** Collects what is said one after the other, and posts it at once: a post costs more than what is in it. */
export class Outbox<Word> {
  readonly #clock: Clock
  readonly #post: (words: readonly Word[]) => void
  #words: Word[] = []

  constructor(clock: Clock, post: (words: readonly Word[]) => void) {
    this.#clock = clock
    this.#post = post
  }

  say(word: Word): void {
    this.#words.push(word)
    if (this.#words.length === 1) this.#clock.afterJobs(() => this.flush())
  }

  flush(): void {
    const words = this.#words
    if (words.length === 0) return
    this.#words = []
    this.#post(words)
  }

  drop(): void {
    this.#words = []
  }
}
