/// <reference lib="dom" />
import type { Shown, Value } from './state.js'

type Show = (element: HTMLElement, value: Value, shown: Shown) => void

/** How each kind of element shows the value of its widget: `data-kind` names it. */
export const kinds: Record<string, Show> = {
  text(element, value) {
    element.textContent = String(value)
  },

  number(element, value) {
    const digits = Number(element.dataset['digits'] ?? 0)
    element.textContent = Number(value).toLocaleString(undefined, { minimumFractionDigits: digits })
  },

  choice(element, value) {
    element.dataset['value'] = String(value)
    element.textContent = String(value)
  },

  list(element, value) {
    const lines = (value as string[]).map((text) => {
      const line = document.createElement('li')
      line.textContent = text
      return line
    })
    element.replaceChildren(...lines)
  },

  bar(element, value, shown) {
    fill(element, Number(value), shown)
  },

  gauge(element, value, shown) {
    fill(element, Number(value), shown)
    const { high, alarm } = element.dataset
    const reaches = (level: string | undefined): boolean => Number(value) >= Number(level)
    element.dataset['level'] = reaches(alarm) ? 'alarm' : reaches(high) ? 'high' : 'normal'
  },

  sparkline(element, _value, { recent }) {
    const values = recent[element.dataset['widget'] ?? ''] ?? []
    const least = Math.min(...values)
    const span = Math.max(...values) - least || 1
    // the last point keeps away from the edge
    const step = 97 / Math.max(values.length - 1, 1)
    const points = values.map(
      (value, place) => `${(place * step).toFixed(2)} ${(34 - ((value - least) / span) * 28).toFixed(2)}`,
    )
    const line = `M${points.length === 1 ? '0 34L97 34' : points.join('L')}`
    const dot = points.at(-1)
    // only numbers are in it
    element.innerHTML = `<path class="area" d="${line}H100V40H0Z"/><path d="${line}"/><path class="dot" d="M${dot}h0"/>`
  },

  /** Follows the value, unless somebody is editing it. */
  field(element, value) {
    const input = element as HTMLInputElement
    if (input.form?.dataset['editing'] === undefined) input.value = String(value)
  },

  radios(element, value) {
    for (const input of element.querySelectorAll('input')) input.checked = input.value === value
  },
}

/** The part of the whole, which is 100, or a number, or another widget's value. */
function fill(element: HTMLElement, value: number, { widgets }: Shown): void {
  const { max = '100' } = element.dataset
  const whole = Number(widgets[max] ?? max)
  element.style.setProperty('--part', String(Math.min((value / whole) * 100, 100)))
}
