import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pinned, type Role } from './machine.js'

/** A process that answers questions; `answer.js` is the other side. */
export interface Child {
  readonly pid: number
  ask<Answer = void>(question: string, argument?: unknown): Promise<Answer>
  stop(): Promise<void>
}

const folder = fileURLToPath(new URL('..', import.meta.url))
let lastId = 0

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

/** Runs a file of `bench/` by plain Node, in production mode, on the core of its role where that can be had. */
export async function start(
  file: string,
  { role, args = [], options = [] }: { role: Role; args?: readonly string[]; options?: readonly string[] },
): Promise<Child> {
  const [command, ...rest] = pinned(role, [process.execPath, ...options, `${folder}${file}`, ...args])
  const child: ChildProcess = spawn(command, rest, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const waiting = new Map<number, Waiting>()
  child.on('message', ({ id, answer, error }: { id: number; answer: unknown; error?: string }) => {
    if (error === undefined) waiting.get(id)?.resolve(answer)
    else waiting.get(id)?.reject(new Error(`${file} ${args.join(' ')}: ${error}`))
    waiting.delete(id)
  })
  const ended = once(child, 'exit').then(([code, signal]) => {
    for (const { reject } of waiting.values()) {
      reject(new Error(`${file} ${args.join(' ')} ended with ${code ?? signal} before it had answered`))
    }
  })
  return {
    pid: child.pid as number,
    ask<Answer>(question: string, argument?: unknown): Promise<Answer> {
      const id = ++lastId
      return new Promise<Answer>((resolve, reject) => {
        waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
        child.send({ id, question, argument }, (error) => error && reject(error))
      })
    },
    async stop(): Promise<void> {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
