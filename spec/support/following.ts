import { type IncomingMessage, request } from 'node:http'
import { until } from './gate.js'

/** A stream as a client sees it: what has come so far. */
export interface Following {
  readonly response: IncomingMessage
  readonly text: string
  /** Waits until the text holds this. */
  holds(part: string): Promise<void>
  readonly ended: boolean
  close(): void
}

export async function follow(url: string, headers: Record<string, string>): Promise<Following> {
  const sent = request(url, { headers, agent: false })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject).end()
  })
  let text = ''
  const chunks: string[] = []
  let ended = false
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text += chunk
    chunks.push(chunk)
  })
  response.on('error', () => {})
  response.on('close', () => {
    ended = true
  })
  sent.on('error', () => {})
  return {
    response,
    get text() {
      return text
    },
    get ended() {
      return ended
    },
    // each chunk is looked through once: a text may be long
    holds: (part) => {
      let seen = 0
      let tail = ''
      return until(() => {
        while (seen < chunks.length && !tail.includes(part)) tail = tail.slice(-part.length) + chunks[seen++]
        return tail.includes(part)
      })
    },
    close: () => {
      sent.destroy()
    },
  }
}
