import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { canPin } from '../../bench/support/machine.js'
import { program } from '../support/program.js'

/** A process that answers questions; `answer()` is its side. */
export interface Child {
  ask<Answer = void>(question: string, argument?: unknown): Promise<Answer>
  stop(): Promise<void>
}

export interface How {
  readonly execArgv?: string[]
  /** The core that it has, where that can be had. */
  readonly core?: number
  /** The others on the same core go first. */
  readonly yields?: boolean
}

/** Runs a script in a process of its own, in production mode. */
export async function start(file: URL, { execArgv = [], core, yields = false }: How = {}): Promise<Child> {
  const child: ChildProcess = fork(fileURLToPath(await program(file)), [], {
    execArgv,
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (canPin && core !== undefined) spawnSync('taskset', ['-acp', String(core), String(child.pid)])
  if (yields) setPriority(child.pid as number, constants.priority.PRIORITY_LOW)
  const waiting = new Map<number, (answer: unknown) => void>()
  let lastId = 0
  child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  const ended = once(child, 'exit').then(([code]) => {
    if (waiting.size > 0) throw new Error(`${file} ended with ${code} before it had answered`)
  })
  ended.catch(() => {})
  return {
    async ask<Answer>(question: string, argument?: unknown): Promise<Answer> {
      const id = ++lastId
      const answer = new Promise<unknown>((resolve) => waiting.set(id, resolve))
      child.send({ id, question, argument })
      return (await Promise.race([answer, ended])) as Answer
    },
    async stop(): Promise<void> {
      child.disconnect()
      await ended
    },
  }
}

/** Answers the questions of the process that started this one, and ends with it. */
export function answer(answers: Record<string, (argument: never) => unknown>): void {
  process.on('message', async ({ id, question, argument }: { id: number; question: string; argument: never }) => {
    process.send?.({ id, answer: await answers[question]?.(argument) })
  })
  process.on('disconnect', () => process.exit())
}
