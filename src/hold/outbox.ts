import type * as Koa from 'koa'
import type { Clock } from '../core/clock.js'
import { Backpressure } from '../koa/backpressure.js'
import { BareConnection } from '../koa/bare-connection.js'
import { phraseOf } from '../koa/head.js'
import type { Prepared } from './answer.js'

type Response = Koa.Context['res']

interface Addressee {
  take(): Response | BareConnection | undefined
  closeAfter(): void
}

interface Batch {
  readonly next: () => Addressee | undefined
  readonly answer: Prepared
  /** Those who have the answer, and whose response is still to be ended. */
  readonly told: Response[]
}

/** The first turn of many is so much shorter, and each is twice as long as the one before: so it is seen early who asks again. */
const FIRST = 8

/** How many responses are worked on between two looks at the time. */
const PORTION = 16

/**
 * Writes answers, in the order in which they were sent off, for so many milliseconds a turn of the event loop. Never
 * within the call that sends them.
 *
 * A response is written first and ended later: to end one costs as much again, of which its client sees nothing. So the
 * last of many has its answer as soon as all are written. What comes while others are ended takes turns with them. Those who
 * ask again while others are written to may be put off.
 */
export class Outbox {
  readonly #budget: number
  readonly #clock: Clock
  readonly #batches: Batch[] = []
  /** Responses to end, a list for each batch that is written. */
  readonly #told: Response[][] = []
  #sent = 0
  /** How many of them are still to be written to. */
  #left = 0
  #running = false
  /** Answers were begun with in this turn of the loop, right after what sent them off. */
  #begun = false
  #turnEnds = 0
  /** Milliseconds of the next turn. */
  #span = 0
  #ending = false
  #closes = false
  /** Told whenever nobody is left to be written to. */
  readonly emptied = new Set<() => void>()
  readonly backpressure: Backpressure

  constructor(budget: number, clock: Clock) {
    this.#budget = budget
    this.#clock = clock
    this.backpressure = new Backpressure({ clock, decided: () => this.#sent, left: () => this.#left, few: 0 })
  }

  /** How many were sent off so far, */
  get sent(): number {
    return this.#sent
  }

  /** and how many of them are written to: the first that were sent off. */
  get written(): number {
    return this.#sent - this.#left
  }

  /** From now on every connection closes with its answer. */
  close(): void {
    this.#closes = true
  }

  /**
   * @param next gives one after the other, and keeps nothing of whom it gave: what is written to is not to live on by those
   *   that are still to be
   * @param size how many they are
   */
  send(next: () => Addressee | undefined, size: number, answer: Prepared): void {
    this.#sent += size
    this.#left += size
    this.#batches.push({ next, answer, told: [] })
    if (this.#running) return
    this.#running = true
    this.#span = this.#budget / FIRST
    if (this.#begun) {
      this.#clock.nextTurn(this.#turn)
      return
    }
    // once a turn of the loop; who sends off more in the same one waits for the next
    this.#begun = true
    this.#clock.nextTurn(this.#anew)
    this.#clock.afterJobs(this.#turn)
  }

  readonly #anew = (): void => {
    this.#begun = false
  }

  readonly #turn = (): void => {
    this.#turnEnds = this.#clock.now() + this.#span
    this.#span = Math.min(this.#span * 2, this.#budget)
    this.#ending = !this.#ending && this.#told.length > 0
    this.#work()
  }

  readonly #work = (): void => {
    for (let left = PORTION; left > 0; left--) {
      if (!(this.#ending ? this.#end() || this.#write() : this.#write() || this.#end())) {
        this.#running = false
        this.#ending = false
        for (const emptied of this.emptied) emptied()
        return
      }
    }
    // what follows an end by itself is part of the turn
    this.#clock.afterJobs(this.#next)
  }

  readonly #next = (): void => {
    if (this.#clock.now() < this.#turnEnds) this.#work()
    else this.#clock.nextTurn(this.#turn)
  }

  /** Writes to the next in line. Whether there was one. */
  #write(): boolean {
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const { next, answer, told } = batch
      const addressee = next()
      if (this.#closes) addressee?.closeAfter()
      const res = addressee?.take()
      if (res !== undefined) {
        this.#left--
        if (res instanceof BareConnection) {
          if (send(res, answer)) this.backpressure.putOff(res.socket)
          return true
        }
        const written = write(res, answer)
        if (written !== 'not' && !this.backpressure.answered(res) && written === 'open') told.push(res)
        return true
      }
      this.#batches.shift()
      if (told.length > 0) this.#told.push(told.reverse())
    }
    return false
  }

  /** Ends the next that is written. Whether there was one. */
  #end(): boolean {
    const told = this.#told[0]
    if (told === undefined) return false
    const res = told.pop()
    if (told.length === 0) this.#told.shift()
    try {
      res?.end()
    } catch {
      // its head said another length, or what stands above has broken it
      res?.destroy()
    }
    return true
  }
}

/** Whether it could be written to. What stands in the place of a socket may throw: that is a warning of the process, and harms nobody else. */
function send(bare: BareConnection, answer: Prepared): boolean {
  try {
    bare.send(answer)
    return true
  } catch (thrown) {
    bare.socket.destroy()
    process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
    return false
  }
}

/** `open`: the response is still to be ended. */
function write(res: Response, { status, headers, body }: Prepared): 'open' | 'ended' | 'not' {
  if (res.destroyed || res.headersSent) return 'not'
  const { req, socket } = res
  try {
    // of a body that was set where it is held now, as by a page for what is not found
    for (const name of body === undefined ? ofBody : ofLength) {
      if (res.hasHeader(name)) res.removeHeader(name)
    }
    if (req.httpVersionMajor >= 2) {
      res.statusCode = status
      for (let place = 0; place < headers.length; place += 2) {
        res.setHeader(headers[place] as string, headers[place + 1] as string)
      }
      res.end(body)
      return 'ended'
    }
    // the phrase is of this status, not of one that was set before
    res.writeHead(status, phraseOf(status), headers as string[])
    if (body === undefined || body.length === 0 || req.method === 'HEAD') {
      res.end()
      return 'ended'
    }
    // a request that is behind another on its connection
    if (socket === null) {
      res.end(body)
      return 'ended'
    }
    // head and body in one
    socket.cork()
    res.write(body)
    socket.uncork()
    flatten(res)
    return 'open'
  } catch {
    // what stands above has broken it meanwhile
    res.destroy()
    return 'not'
  }
}

const ofLength = ['Content-Length', 'Transfer-Encoding']
const ofBody = [...ofLength, 'Content-Type']

/**
 * Node keeps the head as the tree of the pieces that it was put together from, and of ten thousand such trees the collector of
 * young objects makes a pause of 10 ms. To look at a character makes one text of it. Where Node keeps none, nothing is done.
 */
function flatten(res: Response & { readonly _header?: string | null }): void {
  res._header?.charCodeAt(0)
}
