import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Port } from '../../src/log/port/index.js'
import { program } from './program.js'

export type Kind = 'thread' | 'process'

/** A thread or a process, with a script in it. */
export interface Host {
  readonly port: Port
  readonly pid: number | undefined
  say(message: object): void
  /** The next message that has this. */
  hears<Name extends string>(name: Name): Promise<Record<Name, string>>
  end(): Promise<void>
  /** Ends it without a word. */
  kill(): Promise<void>
}

/** @param serialization of a process; `json` is what a fork has by default */
export async function start(kind: Kind, script: URL, serialization: 'json' | 'advanced' = 'json'): Promise<Host> {
  const file = await program(script)
  const host: Worker | ChildProcess =
    kind === 'thread' ? new Worker(file, { execArgv: [] }) : fork(file, { execArgv: [], serialization })
  const say = (message: object): void => {
    if (host instanceof Worker) host.postMessage(message)
    else host.send(message)
  }
  return {
    port: host,
    pid: host instanceof Worker ? undefined : host.pid,
    say,
    hears: (name) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          host.off('message', hear)
          host.off('exit', ended)
        }
        const hear = (message: object): void => {
          if (!(name in message)) return
          done()
          resolve(message as never)
        }
        const ended = (): void => {
          done()
          reject(new Error(`The ${kind} has ended`))
        }
        host.on('message', hear)
        host.on('exit', ended)
      }),
    async kill() {
      const exit = once(host, 'exit')
      if (host instanceof Worker) void host.terminate()
      else host.kill('SIGKILL')
      await exit
    },
    async end() {
      const exit = once(host, 'exit')
      say({ end: true })
      await exit
    },
  }
}
