let last = 0

/** A number for each, in the order of being made: what is kept by it needs no text for each. */
export function nextNumber(): number {
  return ++last
}

/** The number as users see it. */
export function idOf({ number }: { readonly number: number }): string {
  return `c${number.toString(36)}`
}

/** The number of what may be an id. `NaN` for what is none. */
export function numberOf(id: string): number {
  if (typeof id !== 'string') return Number.NaN
  const number = Number.parseInt(id.slice(1), 36)
  return idOf({ number }) === id ? number : Number.NaN
}
