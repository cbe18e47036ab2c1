// What spec/flow/offload.spec.ts off-loads.
import { scryptSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'

export default function double(number: number): number {
  return number * 2
}

export const thread = (): number => threadId

/** Blocks until the shared flag is set, and counts those that have begun in the second place of it. */
export function block(flag: Int32Array): string {
  Atomics.add(flag, 1, 1)
  Atomics.notify(flag, 1)
  while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0, 1_000)
  return 'released'
}

/** Blocks for ever, with nothing that could be told to stop. */
export function spin(flag: Int32Array): never {
  Atomics.add(flag, 1, 1)
  for (;;) Math.random()
}

export function blockAndExit(flag: Int32Array): never {
  block(flag)
  process.exit(3)
}

class TeapotError extends RangeError {
  override readonly name = 'TeapotError'
  readonly status = 418
  readonly expose = true
  readonly code = 'ERR_TEAPOT'
  readonly notes = { short: true }
  readonly cannotBeSent = (): void => {}
}

export function fail(): never {
  throw new TeapotError('short and stout', { cause: new Error('tipped over') })
}

/** What the platform throws is no Error of the language's own. */
export const decode = (base64: string): string => atob(base64)

export function failBecause(what: string): never {
  const cause = { deep: new Error('deep', { cause: decode }), function: decode }[what]
  if (what !== 'decode') throw Object.assign(new RangeError('why', { cause }), { status: 422 })
  try {
    throw decode('%')
  } catch (cause) {
    throw Object.assign(new RangeError('why', { cause }), { status: 422 })
  }
}

export function failTogether(): never {
  throw new AggregateError([new TypeError('one'), new Error('two', { cause: decode }), decode, 3], 'many')
}

export function failWithGetter(): never {
  const get = (): never => {
    throw new Error('not me')
  }
  throw Object.defineProperty(Object.assign(new Error('me'), { status: 422 }), 'broken', { enumerable: true, get })
}

export const reject = (value: unknown): Promise<never> => Promise.reject(value)

export function throwFunction(): never {
  throw () => 'what'
}

export const giveFunction = (): unknown => () => 'what'

export const exit = (code: number): never => process.exit(code)

export async function crash(): Promise<never> {
  setImmediate(() => {
    throw new Error('outside of the task')
  })
  return sleep(10_000) as Promise<never>
}

export const size = (buffer: ArrayBuffer): number => buffer.byteLength

export const hash = ({ password, salt }: { password: string; salt: string }): string =>
  scryptSync(password, salt, 32).toString('hex')

export const notAFunction = 7
