/** What stands in the channel of the room. A name is that of a person, an id tells people of the same name apart. */
export type Event =
  | { readonly event: 'join'; readonly data: { readonly id: string; readonly name: string; readonly at: number } }
  | { readonly event: 'leave'; readonly data: { readonly id: string; readonly at: number } }
  | { readonly event: 'say'; readonly data: { readonly id: string; readonly text: string; readonly at: number } }

/** What is shown of it, one a line. */
export interface Line {
  readonly kind: Event['event']
  readonly id: string
  readonly name: string
  readonly text?: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Room {
  /** Names by id. */
  readonly people: Readonly<Record<string, string>>
  /** The last ones. */
  readonly lines: readonly Line[]
}

/** With the cursor that it belongs to. */
export interface State extends Room {
  readonly cursor: string
}

export const empty: Room = { people: {}, lines: [] }

const LINES = 200

/**
 * What an event does to the room: the same in every server, every page and every terminal, for all have the same events in
 * the same order.
 *
 * So the log decides: of two who come with one name, the first has it. And whoever is in doubt may publish again: who is
 * here already does not come, and who is not here does not leave.
 */
export function changed(room: Room, { event, data }: Event): Room {
  const { people } = room
  const name = people[data.id]
  if (event === 'join') {
    if (name !== undefined || isTaken(people, data.name)) return room
    return added({ ...room, people: { ...people, [data.id]: data.name } }, { kind: event, ...data })
  }
  if (name === undefined) return room
  if (event === 'say') return added(room, { kind: event, name, ...data })
  const { [data.id]: _, ...others } = people
  return added({ ...room, people: others }, { kind: event, name, ...data })
}

/** To the eye, `Ann` and `ANN` are one. */
export function isTaken(people: Room['people'], name: string): boolean {
  return Object.values(people).some((taken) => taken.toLowerCase() === name.toLowerCase())
}

function added({ people, lines }: Room, line: Line): Room {
  return { people, lines: [...lines.slice(1 - LINES), line] }
}
