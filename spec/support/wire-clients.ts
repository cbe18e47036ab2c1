import { type IncomingMessage, request } from 'node:http'

/** What a client has got: numbers, which are published in order from 1. */
export interface Got {
  last: number
  requests: number
  doubled: number
  outOfOrder: number
  gaps: number
}

export type Way = 'plain' | 'long' | 'events' | 'lines'

export interface Line {
  id?: string
  cursor?: string
  data?: { n: number }
  gap?: true
}

export interface How {
  /** Its number, by which it is known whether one is missing. Default what was published as `n`. */
  numberOf?: (line: Line & Required<Pick<Line, 'data'>>) => number
  headers?: Record<string, string>
}

/** The smallest honest client of each kind: it asks until it has the message with this number, whatever happens to it. */
export async function receive(
  url: string,
  way: Way,
  until: number,
  pause: () => Promise<void>,
  got: Got,
  { numberOf = ({ data }) => data.n, headers = {} }: How = {},
): Promise<void> {
  let cursor = '0'
  const take = (line: Line): void => {
    const { data, gap, id, cursor: place } = line
    if (gap) got.gaps++
    if (data !== undefined) {
      const number = numberOf({ ...line, data })
      if (number <= got.last) got.doubled++
      else if (number !== got.last + 1) got.outOfOrder++
      got.last = Math.max(got.last, number)
    }
    cursor = place ?? id ?? cursor
  }
  while (got.last < until) {
    got.requests++
    const wait = way === 'plain' ? '&wait=0' : ''
    const accept = { events: 'text/event-stream', lines: 'application/x-ndjson' }[way as string] ?? 'application/json'
    try {
      const response = await ask(`${url}?cursor=${encodeURIComponent(cursor)}${wait}`, { accept, ...headers })
      if (way === 'events') await readEvents(response, take, () => got.last >= until)
      else if (way === 'lines') await readLines(response, take, () => got.last >= until)
      else await readAnswer(response, take)
    } catch {
      // cut off: what was not taken is asked for again
    }
    if (way === 'plain' || got.last < until) await pause()
  }
}

function ask(url: string, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, resolve).on('error', reject).end()
  })
}

async function readAnswer(response: IncomingMessage, take: (line: Line) => void): Promise<void> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  if (response.statusCode !== 200) return
  const { messages, cursor, gap } = JSON.parse(text) as { messages: Line[]; cursor: string; gap?: true }
  if (gap) take({ gap })
  for (const message of messages) take(message)
  take({ cursor })
}

async function readLines(response: IncomingMessage, take: (line: Line) => void, enough: () => boolean): Promise<void> {
  for await (const line of pieces(response, '\n')) {
    if (line !== '') take(JSON.parse(line) as Line)
    if (enough()) break
  }
  response.destroy()
}

async function readEvents(response: IncomingMessage, take: (line: Line) => void, enough: () => boolean): Promise<void> {
  for await (const event of pieces(response, '\n\n')) {
    const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)))
    const { id, data } = fields as { id?: string; data?: string }
    if (fields['event'] === 'gap') take({ gap: true, ...(id !== undefined && { id }) })
    else if (data !== undefined) take({ data: JSON.parse(data), ...(id !== undefined && { id }) })
    else if (id !== undefined) take({ id })
    if (enough()) break
  }
  response.destroy()
}

/** The whole pieces that have come; what is cut off in the middle is none. */
async function* pieces(response: IncomingMessage, end: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const parts = (rest + chunk).split(end)
    rest = parts.pop() as string
    yield* parts
  }
}
