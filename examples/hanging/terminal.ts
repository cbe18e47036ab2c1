import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { ContinuationManager } from 'koa-continuation'
import { eventOf, type Hanging, pathOf } from './app.js'
import { table } from './table.js'

export interface TerminalOptions {
  input: Readable & { isTTY?: boolean }
  output: Writable & { isTTY?: boolean }
  /** Ends it from outside. */
  signal?: AbortSignal
  /** Milliseconds since 1970. Default the machine's. */
  now?: () => number
}

const commands = ['show', 'help', 'quit']

const help = `An event's name answers all that wait under it: respond
What follows the name becomes the answer:      respond Hello there
A name can also be written as its path:        /respond, /a%20b, /show

  show    who waits, since when, until when
  help    this
  quit    answers all that wait and ends; so do Ctrl-C and Ctrl-D
`

/** Reads events and commands, one a line; resolves at `quit`, Ctrl-C, and the end of the input. */
export function runTerminal(
  { waiting, fire }: Pick<Hanging, 'waiting' | 'fire'>,
  { input, output, signal, now = Date.now }: TerminalOptions,
): Promise<void> {
  const lines = createInterface({
    input,
    output,
    terminal: input.isTTY === true && output.isTTY === true,
    prompt: '> ',
    completer: (line: string) => [complete(line, waiting), line],
    ...(signal && { signal }),
  })
  let ended = false

  const run = (line: string): void => {
    if (line === '') return
    if (line === 'show') output.write(table(waiting, now()))
    else if (line === 'help') output.write(help)
    else if (line === 'quit') lines.close()
    else {
      const { event, text } = parse(line, waiting)
      const answered = fire(event, text)
      output.write(
        answered === 0
          ? `${event}: nobody waits (show lists who does, help the commands)\n`
          : `${event}: ${answered} answered\n`,
      )
    }
  }

  return new Promise((resolve) => {
    lines.on('line', (line) => {
      // what was read together with a quit comes after it
      if (ended) return
      run(line.trim())
      if (!ended && lines.terminal) lines.prompt()
    })
    lines.on('SIGINT', () => lines.close())
    lines.on('close', () => {
      ended = true
      if (lines.terminal) output.write('\n')
      resolve()
    })
    if (lines.terminal) lines.prompt()
  })
}

/** The longest name that waits and begins the line; else a path, or the first word. What follows is the text. */
function parse(line: string, waiting: ContinuationManager): { event: string; text?: string } {
  const names = line.startsWith('/') ? [] : namesIn(waiting)
  const [longest] = names
    .filter((name) => line === name || line.startsWith(`${name} `))
    .sort((one, other) => other.length - one.length)
  const name = longest ?? line.split(/\s/, 1)[0] ?? line
  const event = line.startsWith('/') ? eventOf(name) : name
  const text = line.slice(name.length).trim()
  return text === '' ? { event } : { event, text }
}

/** What the line may become: a command, or an event that somebody waits for. */
function complete(line: string, waiting: ContinuationManager): string[] {
  const names = namesIn(waiting).map((name) =>
    line.startsWith('/') || name.startsWith('/') || commands.includes(name) ? pathOf(name) : name,
  )
  return [...commands, ...names].filter((name) => name.startsWith(line))
}

function namesIn(waiting: ContinuationManager): string[] {
  return [...waiting.keys()].map(String)
}
