// The other side of offload(): what a thread of the pool runs.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What the pool sends into a thread. */
export interface Message {
  /** The URL of the file. */
  readonly file: string
  /** The name of the function in it. */
  readonly exported: string
  readonly task: unknown
}

/** What comes back for a function that threw: the copy that threads make of an error has only message, stack and cause. */
export interface Failure {
  readonly [FAILED]: true
  readonly error: unknown
  readonly properties: Readonly<Record<string, unknown>>
}

export const FAILED = 'koa-continuation:failed'

export default async function run({ file, exported, task }: Message): Promise<unknown> {
  try {
    const found = functionIn(await load(file), exported)
    if (found === undefined) throw new TypeError(`${file} has no function ${exported} to off-load`)
    return await found(task)
  } catch (error) {
    return failure(error)
  }
}

async function load(file: string): Promise<Record<string, unknown>> {
  try {
    return await import(file)
  } catch (error) {
    // what loads TypeScript may, in a thread, be there for require() only
    if ((error as { code?: unknown }).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error
    return createRequire(import.meta.url)(fileURLToPath(file))
  }
}

type Found = (task: unknown) => unknown

function functionIn(module: Record<string, unknown>, name: string): Found | undefined {
  // of CommonJS all exports are in the default one
  const inside = module['default'] as Record<string, unknown> | undefined
  return [module[name], inside?.[name]].find((found): found is Found => typeof found === 'function')
}

function failure(error: unknown): Failure {
  if (!(error instanceof Error))
    return { [FAILED]: true, error: canBeSent(error) ? error : String(error), properties: {} }
  const properties: Record<string, unknown> = {}
  const carried = error as unknown as Record<string, unknown>
  for (const name of ['name', ...Object.keys(error)]) {
    try {
      const value = carried[name]
      if (canBeSent(value)) properties[name] = value
    } catch {
      // a getter that throws is not what went wrong
    }
  }
  // they are hidden; where one cannot be sent, the others are
  const errors = error instanceof AggregateError ? error.errors : undefined
  if (Array.isArray(errors)) properties['errors'] = errors.map(sendableCause)
  return { [FAILED]: true, error: sendable(error), properties }
}

/** An error that arrives as one: a DOMException would be an empty object, and a cause that cannot be sent holds all of it up. */
function sendable(error: Error): Error {
  const { message, stack, cause } = error
  if (!(error instanceof DOMException || cause instanceof DOMException) && canBeSent(error)) return error
  const plain = new Error(message)
  Object.defineProperty(plain, 'stack', { value: stack, configurable: true, writable: true })
  if (cause !== undefined) Object.defineProperty(plain, 'cause', { value: sendableCause(cause) })
  return plain
}

function sendableCause(cause: unknown): unknown {
  if (cause instanceof Error) return sendable(cause)
  return canBeSent(cause) ? cause : String(cause)
}

function canBeSent(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
