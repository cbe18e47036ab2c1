// What server and page both do with a change: it imports nothing.

export type Value = string | number | readonly string[]

/** Values by the id of their widget. */
export type Widgets = Readonly<Record<string, Value>>

export interface Shown {
  readonly widgets: Widgets
  /** The last values of each widget that is a number, the oldest first. */
  readonly recent: Readonly<Record<string, readonly number[]>>
}

/** Everything that a new page shows, and where the first change that is not in it follows. */
export interface State extends Shown {
  readonly cursor: string
}

export const nothing: Shown = { widgets: {}, recent: {} }

/** As many as a sparkline shows. */
const RECENT = 60

/** What is shown after a change. */
export function changed({ widgets, recent }: Shown, changes: Widgets): Shown {
  const tails: Record<string, readonly number[]> = { ...recent }
  for (const [id, value] of Object.entries(changes)) {
    if (typeof value === 'number') tails[id] = [...(recent[id] ?? []), value].slice(-RECENT)
  }
  return { widgets: { ...widgets, ...changes }, recent: tails }
}
