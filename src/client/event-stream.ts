/** The fields of an event by name, as they were written; a comment has the name `''`. */
export type Fields = Readonly<Record<string, string | undefined>>

/** A carriage return at the end may be half of a line break. */
const BREAK = /\r?\n|\r(?!$)/

/**
 * Reads an event stream piece by piece, and tells of each event, one without data too: there its id counts as well.
 *
 * Like `eventsource-parser`, beside which it is tested; that one tells of no event without data, and is as large as a third
 * of the client.
 */
export function eventStream(tell: (fields: Fields) => void): (text: string) => void {
  let rest = ''
  let last = ''
  let fields: Record<string, string> = {}
  return (text) => {
    rest += text
    // a long line comes in many pieces: what is there of it is looked through once
    const lines = BREAK.test(last + text) ? rest.split(BREAK) : [rest]
    last = text
    rest = lines.pop() as string
    for (const line of lines) {
      if (line) {
        const [, name, value] = /([^:]*):? ?(.*)/s.exec(line) as string[] as [string, string, string]
        fields[name] = name === 'data' && name in fields ? `${fields[name]}\n${value}` : value
      } else {
        tell(fields)
        fields = {}
      }
    }
  }
}
