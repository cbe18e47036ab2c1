import type { Continuation } from 'koa-continuation'

/** Who waits, a line each, in order of arrival. */
export function table(waiting: Iterable<Continuation>, now: number): string {
  const rows = Array.from(waiting, (continuation) => [
    continuation.id,
    short(String(continuation.getAttribute('event'))),
    continuation.context.method,
    moment(continuation.since ?? now, now),
    moment(continuation.until ?? Number.POSITIVE_INFINITY, now),
  ])
  if (rows.length === 0) return 'Nobody waits\n'
  const lines = [['id', 'event', 'method', 'since', 'until'], ...rows]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

function short(event: string): string {
  return event.length > 40 ? `${event.slice(0, 39)}…` : event
}

/** As a clock shows it, and how far off: `14:03:07 (12 s ago)`. */
function moment(time: number, now: number): string {
  if (time === Number.POSITIVE_INFINITY) return 'for ever'
  const clock = new Date(time).toTimeString().slice(0, 8)
  const span = duration(Math.abs(time - now))
  return `${clock} (${time > now ? `in ${span}` : `${span} ago`})`
}

/** `500 ms`, `59 s`, `12 min`, `3 h`, `2 d`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 120 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
