import type { ContinuationAttributes } from './continuation.js'
import { invalid } from './options.js'

/** A copy that nobody changes any more, so that one serves a whole broadcast. */
export type AttributesCopy = Readonly<Record<string, unknown>>

/** @throws {TypeError} `ERR_INVALID_OPTION` for what is no object of attributes */
export function copyAttributes(attributes: Partial<ContinuationAttributes> | undefined): AttributesCopy | undefined {
  if (attributes === undefined) return undefined
  if (typeof attributes !== 'object' || attributes === null || isNameless(attributes)) {
    throw invalid('Attributes', 'an object', attributes)
  }
  return Object.assign(Object.create(null), attributes)
}

/** A list, a Map, or what is yet to come: it has no names, and whoever is woken would find nothing. */
function isNameless(attributes: object): boolean {
  return Symbol.iterator in attributes || attributes instanceof Promise
}

/** The attributes of one request. What a `resume()` gave is shared with others until somebody changes it here. */
export class Attributes {
  #values: AttributesCopy | Record<string, unknown> | undefined
  #shared = true

  constructor(given: AttributesCopy | undefined) {
    this.#values = given
  }

  get(name: string): unknown {
    checkName(name)
    return this.#values?.[name]
  }

  set(name: string, value: unknown): void {
    checkName(name)
    this.#own()[name] = value
  }

  remove(name: string): void {
    checkName(name)
    if (this.#values !== undefined && name in this.#values) delete this.#own()[name]
  }

  assign(attributes: AttributesCopy): void {
    if (this.#values === undefined) this.#values = attributes
    else Object.assign(this.#own(), attributes)
  }

  /** All of them, to be shown. */
  get all(): AttributesCopy | undefined {
    return this.#values
  }

  #own(): Record<string, unknown> {
    if (this.#shared) {
      this.#values = Object.assign(Object.create(null), this.#values) as Record<string, unknown>
      this.#shared = false
    }
    return this.#values as Record<string, unknown>
  }
}

function checkName(name: unknown): void {
  if (typeof name !== 'string') throw invalid("An attribute's name", 'a string', name)
}
