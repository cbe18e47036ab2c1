import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Running {
  readonly pid: number
  /** What it printed so far, on both. */
  readonly printed: string
  /** As soon as what it printed matches, from a place in it on, by default the beginning. */
  prints(pattern: RegExp, from?: number): Promise<RegExpExecArray>
  /** A line for its terminal. */
  type(line: string): void
  /** Keys, without an Enter. */
  press(keys: string): void
  endInput(): void
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

export interface How {
  args?: string[]
  port?: string
  stdin?: 'pipe' | 'ignore'
  /** What runs the example instead of Node itself. */
  within?: (command: string[]) => string[]
}

/** Aloud: the title says why. */
export function skip(context: Mocha.Context, why: string): never {
  if (context.test !== undefined) context.test.title += ` (SKIPPED: ${why})`
  return context.skip()
}

/** The commands of the examples that still run, so that a test that fails leaves none behind. */
const running = new Set<() => void>()

export function endAll(): void {
  for (const kill of running) kill()
}

/** Runs `examples/<name>/main.ts` in a process of its own, on any free port. */
export function run(
  name: string,
  { args = [], port = '0', stdin = 'pipe', within = (command) => command }: How = {},
): Running {
  const command = within([process.execPath, '--import', 'tsx', `examples/${name}/main.ts`, ...args])
  const [file, ...rest] = command as [string, ...string[]]
  const child = spawn(file, rest, {
    cwd: root,
    env: { ...process.env, PORT: port, TERM: 'xterm' },
    stdio: [stdin as 'pipe', 'pipe', 'pipe'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  running.add(kill)
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk
      child.emit('printed')
    })
  }
  child.stdin?.on('error', () => {})
  const ended = once(child, 'close').then(([code, signal]) => {
    running.delete(kill)
    child.emit('printed')
    return { code, signal }
  })

  return {
    pid: child.pid ?? 0,
    get printed() {
      return printed
    },
    async prints(pattern, from = 0) {
      for (;;) {
        const match = pattern.exec(printed.slice(from))
        if (match !== null) return match
        if (child.stdout.closed) throw new Error(`It ended without printing ${pattern}, after:\n${printed}`)
        await once(child, 'printed')
      }
    },
    type: (line) => void child.stdin?.write(`${line}\n`),
    press: (keys) => void child.stdin?.write(keys),
    endInput: () => void child.stdin?.end(),
    signal: (name) => void child.kill(name),
    ended,
  }
}

export interface Answer {
  readonly status: number | undefined
  readonly body: string
  readonly connection: string | undefined
}

/** A client with a connection of its own. */
export function ask(
  url: string,
  options: RequestOptions & { body?: string } = {},
): Promise<Answer> & {
  request: ClientRequest
} {
  const sent = request(url, { agent: new Agent({ keepAlive: false }), ...options })
  const answer = once(sent, 'response').then(async ([response]) => ({
    status: response.statusCode,
    connection: response.headers.connection,
    body: await text(response),
  }))
  answer.catch(() => {})
  sent.end(options.body)
  return Object.assign(answer, { request: sent })
}

/** Asks until the answer has this body. The bound is for one that never comes. */
export async function askUntil(url: string, body: string): Promise<void> {
  const end = performance.now() + 10_000
  for (;;) {
    const answer = await ask(url)
    if (answer.body === body) return
    if (performance.now() > end) throw new Error(`${url} answers ${answer.body}, and never came to ${body}`)
  }
}
