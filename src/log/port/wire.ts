import { isLogTrouble, LogError } from '../errors.js'
import type { After, Backlog, Message, Position, Reading } from '../log.js'

/**
 * What is said over a port, in words that JSON keeps, as that is all that some ports carry. Each side may send several words
 * at once, and they are heard in order.
 *
 * Both ends may begin, end and begin again at any time: whoever comes says so (`hello`, `who`), and the follower says all that
 * it still wants again after each `welcome`. An append that is said twice is done once.
 */
export interface ToOwner {
  /** The log that is meant. Marks the words as ours among whatever else the port carries. */
  readonly [MARK]: string
  /** Who says it. */
  readonly from: string
  /** Results of appends with lower numbers have come, and may be forgotten. */
  readonly done: number
  readonly words: readonly Asked[]
}

export interface ToFollower {
  readonly [MARK]: string
  /** For whom it is; everybody where it is empty. */
  readonly to: string
  readonly words: readonly Told[]
}

export const MARK = 'koa-continuation/log'

/** `until` is when it must have begun, on the machine's clock. */
export type Append = readonly [
  'append',
  n: number,
  channel: string,
  message: Message,
  backlog: WireBacklog,
  until: number | null,
]

/** `n` numbers what is answered. */
export type Asked =
  | Append
  /** I begin: forget what you knew of my tails. */
  | readonly ['hello']
  | readonly ['read', n: number, channel: string, after: After, bytes: number | null]
  | readonly ['tail', n: number, channel: string]
  | readonly ['stop', channel: string]
  /** I have heard your ring: ring again when there is more. */
  | readonly ['heard', channel: string]
  | readonly ['bye']

export type Told =
  /** I do not know you: say hello. */
  | readonly ['who']
  | readonly ['welcome']
  | readonly ['answer', n: number, answer: Answer]
  | readonly ['failure', n: number, failure: Failure]
  | readonly ['ring', channel: string]
  /** I am going, and will answer no more. */
  | readonly ['gone']

export type Answer = Position | Reading | null

/** JSON has no infinity. */
type WireBacklog = readonly (number | null)[]

export const finite = (value: number): number | null => (value === Number.POSITIVE_INFINITY ? null : value)
export const infinite = (value: number | null | undefined): number => value ?? Number.POSITIVE_INFINITY

export const packBacklog = ({ messages, bytes, age }: Backlog): WireBacklog => [messages, bytes, age].map(finite)
export function unpackBacklog([messages, bytes, age]: WireBacklog): Backlog {
  return { messages: infinite(messages), bytes: infinite(bytes), age: infinite(age) }
}

/** What is left of an error on the other side. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly status?: number
  readonly inDoubt?: boolean
}

export function packFailure(error: unknown): Failure {
  const { name, message, code, status, inDoubt } = (
    error instanceof Error ? error : new Error(String(error))
  ) as Failure
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    ...(typeof status === 'number' && { status }),
    ...(inDoubt === true && { inDoubt }),
  }
}

export function unpackFailure({ name, message, ...others }: Failure): Error {
  const { code, inDoubt } = others
  if (isLogTrouble(code)) return new LogError(code, message, { inDoubt })
  return Object.assign(new Error(message), { name, ...others })
}

export function isOurs<T extends ToOwner | ToFollower>(value: unknown, log: string, side: 'from' | 'to'): value is T {
  return typeof value === 'object' && value !== null && MARK in value && value[MARK] === log && side in value
}

/**
 * Milliseconds on a clock that all processes of the machine share, and that nobody sets. With it the owner can tell that an
 * append comes too late, whatever the follower does meanwhile.
 */
export const machineNow = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000
