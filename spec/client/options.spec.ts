import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { type ConnectOptions, connect } from '../../src/client/index.js'

const refuses = (kind: typeof TypeError | typeof RangeError, url: unknown, options: unknown, message: RegExp): void => {
  assert.throws(
    () => connect(url as string, options as ConnectOptions),
    (error: Error & { code?: string }) => {
      assert.ok(error instanceof kind, `${error}`)
      assert.equal(error.code, 'ERR_INVALID_OPTION')
      assert.match(error.message, message)
      return true
    },
  )
}

describe("the client's options", () => {
  const url = 'http://127.0.0.1:1/'

  for (const [name, value] of [
    ['cursor', 1],
    ['transport', 'websocket'],
    ['wait', '5'],
    ['wait', Number.NaN],
    ['headers', 'authorization'],
    ['credentials', 'always'],
    ['signal', true],
    ['storage', null],
    ['key', 7],
    ['share', 1],
    ['deadline', '5 s'],
    ['retry', 5],
    ['fetch', {}],
    ['random', 0.5],
    ['clock', Date.now],
    ['page', 'window'],
    ['signal', {}],
    ['signal', null],
    ['storage', {}],
    ['storage', { getItem: () => null }],
    ['clock', {}],
    ['clock', []],
    ['clock', { now: () => 0, setTimeout: () => 0, clearTimeout: 0 }],
    ['retry', []],
    ['retry', new Map([['base', 5]])],
    ['retry', null],
    ['headers', null],
    ['transport', ['auto']],
    ['transport', 1n],
    ['wait', Symbol('5')],
    ['wait', Object.create(null)],
    ['wait', '-1'],
  ] as const) {
    it(`${name}: ${inspect(value)} is refused`, () => {
      refuses(TypeError, url, { [name]: value }, new RegExp(`^${name} must be`))
    })
  }

  it('numbers out of range are refused', () => {
    refuses(RangeError, url, { wait: -1 }, /^wait must be at least 0: got -1$/)
    refuses(RangeError, url, { wait: Number.POSITIVE_INFINITY }, /^wait must be finite/)
    refuses(RangeError, url, { deadline: -1 }, /^deadline must be at least 1: got -1$/)
    refuses(RangeError, url, { deadline: 0 }, /^deadline must be at least 1: got 0$/)
    refuses(RangeError, url, { retry: { base: -1 } }, /^base/)
  })

  it('what is not known is refused, with what is', () => {
    refuses(TypeError, url, { timeout: 5 }, /^option must be one of cursor,.*page: got timeout$/)
    refuses(TypeError, url, { retry: { most: 5 } }, /^option must be one of base,max: got most$/)
  })

  it('what every object has is no option either', () => {
    for (const name of ['toString', 'constructor', 'valueOf', '__proto__']) {
      const options: unknown = JSON.parse(`{"${name}":1}`)
      refuses(TypeError, url, options, new RegExp(`^option must be one of .*: got ${name}$`))
    }
    refuses(TypeError, url, { toString: () => '' }, /got toString$/)
    refuses(TypeError, url, { valueOf: undefined }, /got valueOf$/)
    refuses(TypeError, url, { retry: { constructor: 1 } }, /^option must be one of base,max: got constructor$/)
  })

  it('a text that looks like a number below 0 is a text', () => {
    connect(url, { cursor: '-1', key: '-1', share: '-1' }).close()
  })

  it('an object without a prototype, and one of a class, are objects', () => {
    const bare = Object.assign(Object.create(null) as object, { wait: 5 })
    connect(url, bare).close()
    connect(url, { signal: new AbortController().signal, headers: Object.create(null) }).close()
  })

  it('options that are none, and a URL that is none', () => {
    refuses(TypeError, url, null, /^options must be an object/)
    refuses(TypeError, url, 5, /^options must be an object/)
    refuses(TypeError, url, [], /^options must be an object: got \[object Array\]$/)
    refuses(TypeError, url, new Map([['wait', 5]]), /^options must be an object: got \[object Map\]$/)
    refuses(TypeError, url, () => ({}), /^options must be an object/)
    refuses(TypeError, '/news', {}, /^url must be a URL: got \/news$/)
    refuses(TypeError, undefined, {}, /^url must be a URL/)
  })

  it('undefined is the default', () => {
    const nothing = { cursor: undefined, wait: undefined, retry: { base: undefined }, page: undefined, key: undefined }
    connect(url, nothing).close()
    connect(new URL(url), { deadline: Number.POSITIVE_INFINITY, share: false }).close()
  })
})
