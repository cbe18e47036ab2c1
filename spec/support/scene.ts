import Koa from 'koa'
import type { Continuation } from '../../src/core/continuation.js'
import { type ContinuationListener, type ContinuationsOptions, continuations } from '../../src/index.js'
import { until } from './gate.js'
import { ManualClock } from './manual-clock.js'
import { type Asking, type Served, serve } from './serve.js'

/** What is said of a continuation in four letters: initial, suspended, resumed, expired. */
export function isre(continuation: Continuation): string {
  const { isInitial, isSuspended, isResumed, isExpired } = continuation
  const letters = { I: isInitial, S: isSuspended, R: isResumed, E: isExpired }
  return Object.entries(letters)
    .map(([letter, predicate]) => (predicate.call(continuation) ? letter : '-'))
    .join('')
}

/** A listener that writes down what it hears. */
export function recorder(
  heard: string[],
  also: (continuation: Continuation) => string = () => '',
): ContinuationListener {
  const listener: Record<string, (continuation: Continuation) => void> = {}
  for (const event of ['onSuspend', 'onResume', 'onTimeout', 'onError', 'onDisconnect', 'onComplete']) {
    listener[event] = (continuation) => heard.push(event + also(continuation))
  }
  return listener
}

export interface Scene extends Served {
  readonly clock: ManualClock
  /** The continuation of the newest request, once its first dispatch has begun. */
  readonly continuation: Continuation
  readonly heard: string[]
  /** Asks, and waits until the request is parked. */
  park(path?: string): Promise<{ asking: Asking; continuation: Continuation }>
}

/** An app with one handler below `continuations()`, on a manual clock, whose continuations are all listened to. */
export async function scene(
  handler: Koa.Middleware,
  options: ContinuationsOptions = {},
  Application: typeof Koa = Koa,
): Promise<Scene> {
  const clock = new ManualClock()
  const heard: string[] = []
  let newest: Continuation | undefined
  const app = new Application()
  app.use(continuations({ clock, ...options }))
  app.use((ctx, next) => {
    if (ctx.continuation.isInitial() && newest !== ctx.continuation) {
      newest = ctx.continuation
      newest.addContinuationListener(recorder(heard))
    }
    return next()
  })
  app.use(handler)
  const served = await serve(app)
  return {
    ...served,
    clock,
    heard,
    get continuation() {
      if (newest === undefined) throw new Error('nobody has asked yet')
      return newest
    },
    async park(path = '/') {
      newest = undefined
      const asking = served.get(path)
      await until(() => newest?.phase === 'suspended')
      return { asking, continuation: newest as unknown as Continuation }
    },
  }
}
