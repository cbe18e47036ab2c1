import { randomUUID } from 'node:crypto'
import { clearLine, createInterface, cursorTo } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { styleText } from 'node:util'
import type { Line, Room } from './room.js'
import { type View, Visitor } from './visitor.js'

export interface TerminalOptions {
  url: string
  name: string
  input: Readable & { isTTY?: boolean }
  output: Writable & { isTTY?: boolean }
  /** Aborting it leaves the room. */
  signal?: AbortSignal
}

/** So many lines of before are shown. */
const SHOWN = 20

/** The room in a terminal: a line that is typed is said; `/who` lists who is here; `/quit`, Ctrl-C and Ctrl-D leave. */
export async function runTerminal({ url, name, input, output, signal }: TerminalOptions): Promise<void> {
  const isTerminal = input.isTTY === true && output.isTTY === true
  const lines = createInterface({ input, output, terminal: isTerminal, prompt: `${name}> ` })
  const style = (how: Parameters<typeof styleText>[0], text: string): string =>
    isTerminal ? styleText(how, text, { validateStream: false }) : text

  /** Above the line that is being typed, which stays. */
  const print = (text: string): void => {
    if (isTerminal) {
      clearLine(output as NodeJS.WriteStream, 0)
      cursorTo(output as NodeJS.WriteStream, 0)
    }
    output.write(`${text}\n`)
    if (isTerminal) lines.prompt(true)
  }
  const note = (text: string): void => print(style('dim', `— ${text}`))

  const shown = ({ kind, id, name, text, at }: Line): string => {
    const time = style('dim', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
    if (kind !== 'say')
      return `${time} ${style('dim', `${plain(name)} ${kind === 'join' ? 'has come in' : 'has left'}`)}`
    return `${time} ${style(id === visitor.id ? ['bold', 'cyan'] : 'bold', plain(name))} ${plain(text ?? '')}`
  }

  let people: Room['people'] = {}
  let isAway = false
  const view: View = {
    show(room, isMissing) {
      people = room.people
      if (isMissing) note('something was missed here')
      for (const line of room.lines.slice(-SHOWN)) print(shown(line))
      who()
    },
    add(line, room) {
      people = room.people
      print(shown(line))
    },
    stands(state) {
      if (state === 'waiting' && !isAway) note('no answer; trying again')
      if (state === 'open' && isAway) note('here again')
      if (state === 'waiting' || state === 'open') isAway = state === 'waiting'
    },
  }
  const who = (): void => note(`here: ${Object.values(people).map(plain).join(', ')}`)

  const visitor = new Visitor({ url, name, key: randomUUID(), view })
  let isOver = false
  let leaving: Promise<void> | undefined
  const leave = (): void => {
    if (isOver) return
    isOver = true
    lines.close()
    // where no server answers, the room will find out
    leaving = visitor.leave().catch(() => {})
  }

  lines.on('line', async (line) => {
    const text = line.trim()
    if (text === '/quit') leave()
    else if (text === '/who') who()
    else if (text !== '') await visitor.say(text).catch((error: Error) => note(`not said: ${error.message}`))
    if (!isOver && isTerminal) lines.prompt()
  })
  lines.on('SIGINT', leave)
  lines.on('close', leave)
  signal?.addEventListener('abort', leave)
  if (signal?.aborted) leave()

  try {
    await visitor.stay()
  } finally {
    isOver = true
    lines.close()
    await leaving
    if (isTerminal) output.write('\n')
  }
}

/** What others have written does not move the cursor, nor anything else. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it takes out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ')
}
