import { type Gap, type Message, type Stored, sizeOf } from '../log.js'
import type { ReadUp } from './followed.js'

/** What the script that reads answers with. */
export type ReadReply = [epoch: string, last: number, from: number, gap: string, age: number, entries: Entry[]]
export type Entry = [id: string, fields: string[]]

/** Messages as fields and values of an entry. */
export function packed(messages: readonly Message[]): string[] {
  const fields: string[] = []
  for (const { event, data } of messages) fields.push(event === undefined ? '-' : `+${event}`, data)
  return fields
}

/**
 * The messages of an entry.
 *
 * @param last the number of the last one
 * @param place where they begin among the fields
 */
export function unpacked(last: number, fields: readonly string[], place = 0): Stored[] {
  const messages: Stored[] = []
  let seq = last - (fields.length - place) / 2
  for (let at = place; at < fields.length; at += 2) {
    seq++
    const field = fields[at] as string
    const data = fields[at + 1] as string
    // before the first one stands what the script counts
    const sign = at === place ? field.search(/[-+]/) : 0
    messages.push(field[sign] === '+' ? { seq, event: field.slice(sign + 1), data } : { seq, data })
  }
  return messages
}

/** What was read, as far as it was asked for. */
export function readUpOf([epoch, last, from, gap, age, entries]: ReadReply, bytes: number): ReadUp {
  const messages: Stored[] = []
  let read = 0
  // whatever has taken some away
  let hasHole = entries.length === 0 && from <= last
  all: for (const [id, fields] of entries) {
    for (const message of unpacked(Number.parseInt(id, 10), fields)) {
      if (message.seq < from) continue
      read += bytes === Number.POSITIVE_INFINITY ? 0 : sizeOf(message)
      if (read > bytes && messages.length > 0) break all
      hasHole ||= message.seq !== from + messages.length
      messages.push(message)
    }
  }
  const missed = (gap || (hasHole ? 'trimmed' : undefined)) as Gap | undefined
  const seq = messages.at(-1)?.seq ?? last
  return { messages, next: { epoch, seq }, last, age, ...(missed && { gap: missed }) }
}
