import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import {
  type Continuation,
  ContinuationManager,
  type ContinuationsOptions,
  continuations,
  type Drained,
  type DrainOptions,
} from 'koa-continuation'
import { inputs } from './input.js'
import { Refusal, refusals } from './refusal.js'

export interface KeyValueOptions extends ContinuationsOptions {
  /** How many keys there may be. Default 1 000. */
  keys?: number
  /** Bytes of a key, as UTF-8. Default 256. */
  keyBytes?: number
  /** Bytes of a value, as JSON. Default 65 536. */
  valueBytes?: number
  /** Seconds that a get may wait at most. Default 60. */
  longest?: number
}

export interface KeyValue {
  readonly app: Koa
  /** Gets that wait, by key. */
  readonly waiting: ContinuationManager
  /** Answers all that wait; resolves when the last answer is with its socket. */
  drain(options?: DrainOptions): Promise<Drained>
}

/** Values by key. A get of a key that is not set waits until somebody sets it. */
export function createApp(options: KeyValueOptions = {}): KeyValue {
  const { keys = 1_000, keyBytes = 256, valueBytes = 65_536, longest = 60, ...others } = options
  const app = new Koa()
  const router = new Router()
  const { bodyLimit, notReadable, keyIn, valueIn, waitIn } = inputs({ keyBytes, valueBytes, longest })

  /** As JSON: a value is written out once, however many wait for it. */
  const values = new Map<string, string>()
  const waiting = new ContinuationManager()

  const get: Koa.Middleware = (context) => {
    const ctx = context as Koa.Context
    const { continuation } = ctx
    const key = keyIn(ctx)
    const wait = waitIn(ctx)
    // the value that woke it, though the key may be deleted again by now
    const value = continuation.isResumed() ? continuation.getAttribute('value') : values.get(key)
    if (value !== undefined) {
      ctx.type = 'json'
      ctx.body = `{"key":${JSON.stringify(key)},"value":${value}}`
    } else if (wait > 0 && continuation.isInitial()) {
      // nothing runs between the look and the stash, so no set can fall between them
      continuation.suspend(wait * 1_000)
      waiting.stash(continuation, key)
    } else {
      throw new Refusal(404, 'ERR_KEY_NOT_SET', `Nobody has set ${JSON.stringify(key)}, waited for ${wait} s`)
    }
  }

  router.get('/get', get)
  router.post('/get', get)

  router.post('/set', (ctx) => {
    const key = keyIn(ctx)
    const value = valueIn(ctx)
    if (!values.has(key) && values.size >= keys) {
      throw new Refusal(507, 'ERR_TOO_MANY_KEYS', `There are ${keys} keys already: delete one`)
    }
    values.set(key, value)
    ctx.body = { key, woken: waiting.resume(key, { value }) }
  })

  router.post('/delete', (ctx) => {
    const key = keyIn(ctx)
    ctx.body = { key, deleted: values.delete(key) }
  })

  router.get('/status', (ctx) => {
    ctx.body = { keys: values.size, waiting: waiting.size }
  })

  const boundary = continuations(others)
  app.use(refusals)
  app.use(boundary)
  app.use(bodyParser({ enableTypes: ['json'], jsonLimit: `${bodyLimit}b`, onError: notReadable }))
  app.use(router.routes())
  app.use(router.allowedMethods())

  return { app, waiting, drain: (options) => boundary.drain({ ...options, end: sendAway }) }
}

function sendAway(continuation: Continuation): void {
  continuation.fail(new Refusal(503, 'ERR_GOING_AWAY', 'The server is going away'))
}
