import type Koa from 'koa'
import type { Clock } from '../core/clock.js'
import type { Prepared } from './answer.js'

interface Addressee {
  readonly res: Koa.Context['res']
}

interface Batch {
  readonly to: Iterator<Addressee>
  readonly answer: Prepared
}

/**
 * Writes answers, in the order in which they were sent off, for so many milliseconds a turn of the event loop. Never
 * within the call that sends them.
 */
export class Outbox {
  readonly #budget: number
  readonly #clock: Clock
  readonly #batches: Batch[] = []
  #running = false

  constructor(budget: number, clock: Clock) {
    this.#budget = budget
    this.#clock = clock
  }

  send(to: Iterable<Addressee>, answer: Prepared): void {
    this.#batches.push({ to: to[Symbol.iterator](), answer })
    if (this.#running) return
    this.#running = true
    this.#clock.nextTurn(this.#turn)
  }

  readonly #turn = (): void => {
    const end = this.#clock.now() + this.#budget
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const { to, answer } = batch
      for (let next = to.next(); !next.done; next = to.next()) {
        write(next.value.res, answer)
        if (this.#clock.now() >= end) {
          this.#clock.nextTurn(this.#turn)
          return
        }
      }
      this.#batches.shift()
    }
    this.#running = false
  }
}

function write(res: Koa.Context['res'], { status, headers, body }: Prepared): void {
  if (res.destroyed || res.headersSent) return
  try {
    if (res.req.httpVersionMajor < 2) res.writeHead(status, headers as string[])
    else {
      res.statusCode = status
      for (let place = 0; place < headers.length; place += 2) {
        res.setHeader(headers[place] as string, headers[place + 1] as string)
      }
    }
    res.end(body)
  } catch {
    // what stands above has broken it meanwhile
    res.destroy()
  }
}
