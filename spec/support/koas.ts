import { createRequire } from 'node:module'
import Koa from 'koa'

const require = createRequire(import.meta.url)

/** A package that brings no types, as what the test says it is. */
export const untyped = <T>(name: string): T => require(name) as T

/** The Koas that the library is for. Their types are the same as far as the tests go. */
export const koas: readonly (readonly [name: string, Application: typeof Koa])[] = [
  ['Koa 3', Koa],
  ['Koa 2', untyped<typeof Koa>('koa2')],
]

/** The same tests for each of them. */
export function forEachKoa(tests: (name: string, Application: typeof Koa) => void): void {
  for (const [name, Application] of koas) describe(`on ${name}`, () => tests(name, Application))
}
