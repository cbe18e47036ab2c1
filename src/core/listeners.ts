import type { Continuation } from './continuation.js'
import { InvalidTypeError } from './errors.js'
import type { Host } from './host.js'
import { invalid } from './options.js'

/**
 * What can be heard of a continuation. Any of them; each is called with the continuation, in the order of adding.
 *
 * A listener that throws, or whose promise rejects, is reported to the app's `error` event and stops nothing.
 */
export interface ContinuationListener {
  /** The handler has returned suspended, or has begun to `wait()`. */
  onSuspend?(continuation: Continuation): unknown
  /** A `resume()` decided: the next dispatch is to come. */
  onResume?(continuation: Continuation): unknown
  /** The time is up and nothing decided yet: resume, complete, fail or set a new timeout here, or let it expire. */
  onTimeout?(continuation: Continuation): unknown
  /** An error ended the suspension: the handler threw after `suspend()`, or somebody called `fail()`. */
  onError?(continuation: Continuation, error: unknown): unknown
  /** The client left before it had its whole response. */
  onDisconnect?(continuation: Continuation): unknown
  /** The request is over, whatever happened. Called once, and last. */
  onComplete?(continuation: Continuation): unknown
}

export type ContinuationEvent = keyof ContinuationListener

const events: readonly string[] = [
  'onSuspend',
  'onResume',
  'onTimeout',
  'onError',
  'onDisconnect',
  'onComplete',
] satisfies ContinuationEvent[]

/** The listeners of one request, in order. A change makes a new list, so that a telling under way sees the old one. */
export type Listeners = readonly ContinuationListener[]

/** The first of those that are the same leaves. */
export function without(listeners: Listeners | undefined, listener: ContinuationListener): Listeners | undefined {
  const place = listeners?.indexOf(listener) ?? -1
  return place < 0 ? listeners : listeners?.toSpliced(place, 1)
}

/** Calls every listener of the event, each in the request's own async context. What one throws is reported. */
export function tell(
  host: Host,
  listeners: Listeners,
  event: ContinuationEvent,
  continuation: Continuation,
  error: unknown,
): void {
  for (const listener of listeners) {
    if (listener[event] === undefined) continue
    const call = (): void => {
      const result = listener[event]?.(continuation, error) as { catch?: unknown } | undefined
      if (typeof result?.catch === 'function') result.catch((error: unknown) => host.report(error))
    }
    try {
      host.enter(call)
    } catch (error) {
      host.report(error)
    }
  }
}

/** @throws {TypeError} `ERR_INVALID_OPTION` for what hears nothing, or of an event that does not exist */
export function checkListener(listener: unknown): asserts listener is ContinuationListener {
  const expected = `an object with any of ${events.join(', ')}`
  if (typeof listener !== 'object' || listener === null) throw invalid('A listener', expected, listener)
  let known = 0
  for (const event of events) {
    const heard = (listener as Record<string, unknown>)[event]
    if (heard === undefined) continue
    if (typeof heard !== 'function') throw invalid(`The listener's ${event}`, 'a function', heard)
    known++
  }
  if (known === 0) throw invalid('A listener', expected, listener)
  const unknown = Object.keys(listener).filter((name) => /^on[A-Z]/.test(name) && !events.includes(name))
  if (unknown.length > 0) throw new InvalidTypeError(`There is no ${unknown.join(', ')}: a listener is ${expected}`)
}
