import { Refusal } from './refusal.js'
import type { Value, Widgets } from './state.js'

interface Widget {
  readonly initial: Value
  /** Of those that people set: the value that was meant, or a refusal. The others are the simulation's. */
  readonly read?: (value: unknown) => Value
}

/** The widgets of a coffee bar. */
const widgets: Readonly<Record<string, Widget>> = {
  visitors: { initial: 18 },
  orders: { initial: 112 },
  load: { initial: 42 },
  temperature: { initial: 203.5 },
  latest: { initial: ['Espresso', 'Flat white', 'Cinnamon roll'] },
  sign: { initial: 'Filter of the day: Sidamo, washed', read: text(80) },
  status: { initial: 'open', read: choice('open', 'busy', 'closed') },
  goal: { initial: 200, read: wholeNumber(1, 1_000) },
  music: { initial: 35, read: wholeNumber(0, 100) },
}

/** What the widgets show at first: what they showed before, where that is known. */
export function initialWidgets(before: Widgets): Widgets {
  return Object.fromEntries(Object.entries(widgets).map(([id, { initial }]) => [id, before[id] ?? initial]))
}

/** The changes that a client asks for. One that is refused refuses all of them. */
export function changesOf(body: unknown): Widgets {
  const changes = Object.entries((body ?? {}) as object)
  if (Array.isArray(body) || changes.length === 0) {
    throw new Refusal(400, 'ERR_INVALID_BODY', 'Send new values by the id of their widget: {"sign": "Hello"}')
  }
  return Object.fromEntries(changes.map(([id, value]) => [id, valueFor(id, value)]))
}

function valueFor(id: string, value: unknown): Value {
  const name = JSON.stringify(id.length > 60 ? `${id.slice(0, 60)}…` : id)
  if (!Object.hasOwn(widgets, id)) throw new Refusal(404, 'ERR_UNKNOWN_WIDGET', `There is no widget ${name}`)
  const { read } = widgets[id] as Widget
  if (read === undefined) throw new Refusal(403, 'ERR_NOT_SETTABLE', `${name} is measured, and cannot be set`)
  try {
    return read(value)
  } catch (error) {
    throw new Refusal(400, 'ERR_INVALID_VALUE', `${name} must be ${(error as Error).message}`)
  }
}

function text(longest: number): (value: unknown) => Value {
  return (value) => {
    const text = typeof value === 'string' ? value.trim() : ''
    if (text !== '' && text.length <= longest) return text
    throw new TypeError(`a text of 1 to ${longest} characters`)
  }
}

function choice(...values: string[]): (value: unknown) => Value {
  return (value) => {
    if (values.includes(value as string)) return value as string
    throw new TypeError(`one of ${values.join(', ')}`)
  }
}

/** A form has only texts. */
function wholeNumber(least: number, most: number): (value: unknown) => Value {
  return (value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    if (Number.isInteger(number) && (number as number) >= least && (number as number) <= most) return number as number
    throw new TypeError(`a whole number from ${least} to ${most}`)
  }
}
