import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { canPin, cores } from './machine.js'

/** A process that answers questions; `answer.js` is the other side. */
export interface Child {
  ask<Answer = void>(question: string, argument?: unknown): Promise<Answer>
  stop(): Promise<void>
}

const folder = fileURLToPath(new URL('..', import.meta.url))
let lastId = 0

/** Options of Node for the servers, as `--cpu-prof`. */
const serverOptions = process.env['BENCH_SERVER_OPTIONS']?.split(' ') ?? []

/** Runs a file of `bench/` by plain Node, in production mode, on a core of its own where that can be had. */
export async function start(file: string, role: keyof typeof cores, ...args: string[]): Promise<Child> {
  const command = [process.execPath, ...(role === 'server' ? serverOptions : []), `${folder}${file}`, ...args]
  if (canPin) command.unshift('taskset', '-c', String(cores[role]))
  const [name, ...rest] = command as [string, ...string[]]
  const child: ChildProcess = spawn(name, rest, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const waiting = new Map<number, (answer: unknown) => void>()
  child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  const ended = once(child, 'exit').then(([code]) => {
    if (waiting.size > 0) throw new Error(`${file} ${args.join(' ')} ended with ${code} before it had answered`)
  })
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
