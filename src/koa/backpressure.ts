import type { Socket } from 'node:net'
import type * as Koa from 'koa'
import type { Clock } from '../core/clock.js'
import { socketOf } from './connection.js'

type Response = Koa.Context['res']

export interface BackpressureOptions {
  readonly clock: Clock
  /** How many were decided so far. */
  readonly decided: () => number
  /** How many of them have no answer yet. */
  readonly left: () => number
  /** Of those decided before one was put off, so many may be left when it is let in. */
  readonly few: number
}

/** To begin for fewer is not worth it. */
export const MANY = 256

/** So many have asked again meanwhile before anybody is put off. */
const RUSH = 32

/** Milliseconds until those are let in who were put off first. */
const PATIENCE = 1_000

/** Milliseconds for which Node keeps a connection without a request: where it is less, nobody is put off. */
const KEPT = 4_000

/** How many are let in together: as many as ask something that takes a few milliseconds in all. */
const PORTION = 64

/**
 * Where many are answered at once and ask again at once, each new request takes as long as several answers: so the last would
 * wait for what the first ask next. As soon as that is seen, those who have their answer are put off: their connections are not
 * read until all that were decided before have theirs, and then in portions that do not stall the event loop.
 *
 * Nobody is put off where nobody asks again. Nothing is lost: what a client sends meanwhile stays in its connection.
 */
export class Backpressure {
  readonly #clock: Clock
  readonly #decided: () => number
  readonly #left: () => number
  readonly #few: number
  #asked = 0
  /** First come, first let in. */
  #putOff: (PutOff | undefined)[] = []
  #head = 0
  #until = 0
  readonly #ended: (() => void)[] = []

  constructor({ clock, decided, left, few }: BackpressureOptions) {
    this.#clock = clock
    this.#decided = decided
    this.#left = left
    this.#few = few
  }

  /** So many must be left for it to be worth it. What has begun goes on for as long as anybody would have to wait. */
  get #many(): number {
    return this.#putOff.length > 0 ? this.#few + 1 : MANY
  }

  /** Somebody is to be held. */
  asked(): void {
    this.#asked = this.#left() < this.#many ? 0 : this.#asked + 1
  }

  /**
   * This one has all of its answer. Where it is put off, its response is ended when it is let in, if that is still to be done.
   *
   * @returns whether it is
   */
  answered(res: Response): boolean {
    // one of HTTP/2 says nothing of that
    if (!res.shouldKeepAlive) return false
    const socket = socketOf(res)
    return socket !== undefined && this.putOff(socket, res)
  }

  /** The same for a connection that is kept, and whose response, if any, is still to be ended. */
  putOff(socket: Socket, res?: Response): boolean {
    if (this.#asked < RUSH || this.#left() < this.#many) return false
    if (!isKept(socket) || socket.isPaused()) return false
    const now = this.#clock.now()
    if (this.#putOff.length === 0) {
      this.#until = now + PATIENCE
      this.#clock.nextTurn(this.#turn)
    } else if (now >= this.#until) return false
    socket.pause()
    this.#putOff.push({ socket, res, after: this.#decided() - this.#few })
    return true
  }

  /** Lets all in at once. Resolves when what they have sent is read. */
  letAllIn(): Promise<void> {
    if (this.#putOff.length === 0) return Promise.resolve()
    this.#until = Number.NEGATIVE_INFINITY
    return new Promise((resolve) => {
      this.#ended.push(resolve)
    })
  }

  readonly #turn = (): void => {
    const now = this.#clock.now()
    if (this.#head < this.#putOff.length) {
      this.#letIn(now >= this.#until ? Number.POSITIVE_INFINITY : this.#decided() - this.#left())
      this.#clock.nextTurn(this.#turn)
      return
    }
    this.#putOff = []
    this.#head = 0
    this.#asked = 0
    for (const resolve of this.#ended.splice(0)) resolve()
  }

  /** @param done how many have their answer */
  #letIn(done: number): void {
    const portion = this.#ended.length > 0 ? this.#putOff.length : PORTION
    const end = Math.min(this.#head + portion, this.#putOff.length)
    for (; this.#head < end; this.#head++) {
      const { socket, res, after } = this.#putOff[this.#head] as PutOff
      if (after > done) return
      letIn(socket, res)
      this.#putOff[this.#head] = undefined
    }
  }
}

interface PutOff {
  readonly socket: Socket
  readonly res: Response | undefined
  /** It waits until so many have their answer. */
  readonly after: number
}

function isKept(socket: Socket & { readonly server?: { readonly keepAliveTimeout?: number } }): boolean {
  const ms = socket.server?.keepAliveTimeout ?? 0
  return socket.writable && (ms === 0 || ms >= KEPT)
}

function letIn(socket: Socket, res: Response | undefined): void {
  try {
    if (res?.writableEnded === false) res.end()
  } catch {
    // its head said another length, or what stands above has broken it
    res?.destroy()
  }
  socket.resume()
}
