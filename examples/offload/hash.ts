import { randomBytes, scryptSync } from 'node:crypto'
import { threadId } from 'node:worker_threads'

/** What is asked of the thread. */
export interface Task {
  readonly password: string
  /** How often it is hashed. */
  readonly rounds: number
}

export interface Hashed {
  readonly hash: string
  readonly salt: string
  readonly rounds: number
  readonly thread: number
}

/** Blocks for about 50 ms a round, on purpose: that is what makes a stolen hash worthless. */
export default function hash({ password, rounds }: Task): Hashed {
  // what an error carries reaches the app: the client is answered by its status
  if (common.has(password)) {
    throw Object.assign(new Error('Everybody has that password: take another'), {
      status: 422,
      expose: true,
      code: 'ERR_COMMON_PASSWORD',
    })
  }
  const salt = randomBytes(16).toString('hex')
  return { hash: hashOf(password, salt, rounds), salt, rounds, thread: threadId }
}

export function hashOf(password: string, salt: string, rounds: number): string {
  let hash: string | Buffer = password
  for (let round = 0; round < rounds; round++) hash = scryptSync(hash, salt, 32)
  return hash.toString('hex')
}

const common = new Set(['123456', 'password', 'qwerty', 'letmein', 'iloveyou'])
