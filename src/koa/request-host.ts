import { AsyncResource } from 'node:async_hooks'
import type * as Koa from 'koa'
import type { Continuation } from '../core/continuation.js'
import { IllegalStateError } from '../core/errors.js'
import type { Host } from '../core/host.js'
import type { JobLane } from '../core/jobs.js'
import { Life } from '../core/life.js'
import { discardBody } from './body.js'
import { hearStream, isOver, isUnheardStream } from './body-stream.js'
import { closeAfter, cutOff, hasLeft, stopWaiting, watchConnection } from './connection.js'
import { laneAbove } from './lanes.js'
import { parkIn, passageOf, reenterAll, refuseIn } from './passage.js'
import type { Settings } from './settings.js'

/** Koa's side of one request. Made for every request that passes a boundary, so it costs next to nothing. */
export class RequestHost implements Host {
  readonly context: Koa.Context
  readonly policy: Settings
  /** Made when somebody asks for it. */
  made: Life | undefined
  /** The outermost boundary has not returned yet. */
  open = true
  readonly #keepsBody: boolean
  #async: AsyncResource | undefined
  #countedClient: string | undefined

  /** @param keepsBody leave a body that is unread to those below, and do without hearing of the client while it is large */
  constructor(context: Koa.Context, policy: Settings, keepsBody = false) {
    this.context = context
    this.policy = policy
    this.#keepsBody = keepsBody
  }

  get continuation(): Continuation {
    if (this.made === undefined) {
      const life = new Life(this, this.open)
      this.made = life
      watchConnection(this.context, (finished) => {
        life.close(finished)
        if (finished) this.policy.backpressure.answered(this.context.res)
      })
    }
    return this.made.continuation
  }

  get clientId(): string | undefined {
    return this.policy.clientId(this.context)
  }

  admit(isAtWork: boolean): void {
    const { made, policy } = this
    const { req, res } = this.context
    // set by Node where it hands a socket over, to a web socket say
    if ((req as { upgrade?: boolean }).upgrade) {
      throw new IllegalStateError(
        'Cannot suspend a request whose connection was upgraded: there is no response to hold',
      )
    }
    if (res.writableEnded && !this.isGone()) {
      throw new IllegalStateError('Cannot suspend a request whose response has ended: suspend before you answer')
    }
    this.#countedClient = policy.countedClient(this.context)
    const isNew = made !== undefined && !policy.here.has(made)
    policy.holds.enter(this.#groups(), false, isAtWork && !isNew)
    policy.backpressure.asked()
    if (isNew) policy.here.push(made)
  }

  release(): void {
    this.policy.holds.leave(this.#groups())
  }

  #groups(): { perClient?: string } {
    return this.#countedClient === undefined ? uncounted : { perClient: this.#countedClient }
  }

  refuse(error: unknown): boolean {
    return refuseIn(passageOf(this.context), error)
  }

  capture(): void {
    this.#async = new AsyncResource('Continuation', { requireManualDestroy: true })
  }

  enter(callback: () => void): void {
    if (this.#async === undefined) callback()
    else this.#async.runInAsyncScope(callback)
  }

  parked(): void {
    stopWaiting(this.context)
    parkIn(passageOf(this.context))
    if (!this.#keepsBody) discardBody(this.context)
    this.hearBody()
  }

  /** Koa 3 hears a stream that is the body when it sends it: one that fails before would end the process. */
  hearBody(): void {
    const { body } = this.context
    if (isUnheardStream(body)) hearStream(body, (error) => this.#bodyFailed(body, error))
  }

  #bodyFailed(body: unknown, error: unknown): void {
    const { context, made } = this
    if (context.body !== body || made === undefined || made.fail(error) || made.phase !== 'completed') return
    // what complete() is to send has failed before its turn: its error is answered, where it still can be
    if (context.headerSent) this.report(error)
    else made.failure = error
  }

  reenter<T>(waiting: Promise<T>): Promise<T> {
    const passage = passageOf(this.context)
    return passage === undefined ? waiting : waiting.finally(() => reenterAll(passage))
  }

  isGone(): boolean {
    return hasLeft(this.context)
  }

  completed(): void {
    const { context } = this
    const { res, respond, body } = context
    const isBroken = res.headersSent && isOver(body)
    // with nothing to send, Koa would add the status in words to what was written
    const isBegun = res.headersSent && (body === undefined || body === null)
    if (res.writableEnded || !(isBroken || isBegun || respond === false)) return
    context.respond = false
    // of a stream that has failed Koa would wait for the end
    if (isBroken) cutOff(context)
    else res.end()
  }

  dismissed(): void {
    this.context.body = null
    this.context.status = 204
  }

  lane(name: string): JobLane {
    return laneAbove(this.context, name)
  }

  closing(): void {
    closeAfter(this.context.res)
  }

  report(error: unknown): void {
    const { app } = this.context
    const reported =
      error instanceof Error ? error : new Error('A continuation listener threw what is no error', { cause: error })
    try {
      app.emit('error', reported, this.context)
    } catch (thrown) {
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
    }
  }
}

const uncounted = {}
