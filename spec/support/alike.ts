import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import type Koa from 'koa'
import { type Continuation, ContinuationManager, continuations, suspendable } from '../../src/index.js'
import { gate, until } from './gate.js'
import { type Asking, type Served, serve } from './serve.js'

/** What came over the wire. */
export interface Wire {
  readonly status: number
  readonly message: string
  readonly headers: IncomingHttpHeaders
  /** As they were written, but for the order and the date. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface Parts {
  /** Where `continuations()` stands, or nothing. */
  readonly boundary: Koa.Middleware
  /** Answers, at once or when it was resumed. */
  readonly handler: Koa.Middleware
}

export interface App<Asks extends readonly Ask[]> {
  readonly Koa: typeof Koa
  build(app: Koa, parts: Parts): void
  answer(ctx: Koa.Context, next: Koa.Next): unknown
  /** One after the other, each with the answer before it. */
  readonly asks: Asks
}

export type Ask = (served: Served, previous?: Wire) => Asking

type Way = keyof typeof ways

/** The ways to come to an answer, all under the same app, and the suspensions of each. */
const ways = {
  'no boundary': { boundary: false, suspensions: 0 },
  'under continuations(), never suspended': { boundary: true, suspensions: 0 },
  'under continuations(), suspended twice': { boundary: true, suspensions: 2 },
  'under continuations(), left by undispatch()': { boundary: true, suspensions: 1 },
  'in suspendable(), suspended twice': { boundary: false, suspensions: 2 },
  'waiting in place': { boundary: true, suspensions: 1 },
} as const

/**
 * Builds the same app once for each way to come to an answer, asks all of them the same, and asserts that status,
 * message, headers, body and the errors that the app reports do not differ.
 *
 * @returns what they all answered, for the test to look at
 */
export async function alike<const Asks extends readonly Ask[]>(app: App<Asks>): Promise<{ [K in keyof Asks]: Wire }> {
  const plain = await answers(app, 'no boundary')
  for (const way of Object.keys(ways) as Way[]) {
    if (way === 'no boundary') continue
    const held = await answers(app, way)
    const expected = plain.runs.map((run) => ways[way].suspensions * run)
    assert.deepEqual(held.suspensions, expected, `${way}: how often each request was held`)
    assert.deepEqual(held.runs, plain.runs, `${way}: how often each was answered`)
    assert.deepEqual(held.wires.map(comparable), plain.wires.map(comparable), way)
    assert.deepEqual(held.errors, plain.errors, `${way}: the errors that the app reports`)
  }
  return plain.wires as { [K in keyof Asks]: Wire }
}

interface Answers {
  readonly wires: Wire[]
  readonly errors: string[]
  readonly suspensions: number[]
  /** How often the answer was made, for each request. */
  readonly runs: number[]
}

async function answers({ Koa, build, answer, asks }: App<readonly Ask[]>, way: Way): Promise<Answers> {
  const clients = new ContinuationManager()
  const heldOnes = new Set<Continuation>()
  let completed = 0
  let runs = 0
  const counted: Koa.Middleware = (ctx, next) => {
    runs++
    return answer(ctx, next)
  }
  const hold = (continuation: Continuation): void => {
    clients.stash(continuation)
    if (heldOnes.has(continuation)) return
    heldOnes.add(continuation)
    continuation.addContinuationListener({ onComplete: () => completed++ })
  }

  const app = new Koa({ keys: ['a key', 'another'] })
  const handler = handlerFor(way, counted, hold)
  build(app, { boundary: ways[way].boundary ? continuations() : (_, next) => next(), handler })

  const served = await serve(app)
  let open = 0
  served.server.on('request', (_, res) => {
    open++
    res.once('close', () => open--)
  })
  try {
    const wires: Wire[] = []
    const suspensions: number[] = []
    const runsOf: number[] = []
    for (const ask of asks) {
      runs = 0
      let resumed = 0
      let answered = false
      const wire = receive(ask(served, wires.at(-1))).finally(() => {
        answered = true
      })
      // awaited below
      wire.catch(() => {})
      await until(() => {
        resumed += clients.resume()
        return answered
      })
      wires.push(await wire)
      await until(() => open === 0)
      suspensions.push(resumed)
      runsOf.push(runs)
    }
    assert.equal(clients.size, 0)
    await until(() => completed === heldOnes.size)
    return { wires, suspensions, runs: runsOf, errors: served.errors.map(({ name, message }) => `${name}: ${message}`) }
  } finally {
    await served.close()
  }
}

function handlerFor(way: Way, answer: Koa.Middleware, hold: (continuation: Continuation) => void): Koa.Middleware {
  const { suspensions } = ways[way]
  if (suspensions === 0) return answer
  if (way === 'waiting in place') {
    return async (ctx, next) => {
      const waiting = ctx.continuation.wait()
      hold(ctx.continuation)
      assert.equal(await waiting, 'resumed')
      return answer(ctx, next)
    }
  }
  const held: Koa.Middleware = (ctx, next) => {
    const { continuation } = ctx
    const times = (continuation.getAttribute('suspensions') as number | undefined) ?? 0
    assert.equal(continuation.isInitial(), times === 0)
    if (times === suspensions) return answer(ctx, next)
    continuation.setAttribute('suspensions', times + 1)
    continuation.suspend()
    hold(continuation)
    leaveHalfAnAnswer(ctx, times)
    if (way === 'under continuations(), left by undispatch()') continuation.undispatch()
  }
  return way === 'in suspendable(), suspended twice' ? suspendable(held) : held
}

/** What a suspended dispatch has done to the context must not be seen. The body is long enough to be compressed. */
function leaveHalfAnAnswer(ctx: Koa.Context, times: number): void {
  ctx.method = 'PUT'
  ctx.url = '/half?an=answer'
  ctx.respond = false
  if (times === 0) ctx.body = null
  ctx.status = 202
  ctx.body = 'half an answer '.repeat(200)
  ctx.type = 'text/html'
  ctx.set('X-Half', 'yes')
  ctx.set('Connection', 'close')
  ctx.set('Date', 'today')
  ctx.set('Cache-Control', 'no-transform')
  ctx.vary('X-Half')
  ctx.cookies.set('half', 'yes')
}

export function receive(asking: Asking): Promise<Wire> {
  const received = gate<Wire>()
  asking.request.once('response', (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => {
      const { date: _, ...headers } = response.headers
      const rawHeaders: string[] = []
      for (let at = 0; at < response.rawHeaders.length; at += 2) {
        const [name, value] = response.rawHeaders.slice(at, at + 2)
        const shown = name === 'Date' && !Number.isNaN(Date.parse(String(value))) ? 'some date' : value
        rawHeaders.push(`${name}: ${shown}`)
      }
      received.open({
        status: response.statusCode ?? 0,
        message: response.statusMessage ?? '',
        headers,
        rawHeaders: rawHeaders.sort(),
        body: Buffer.concat(chunks),
      })
    })
  })
  return Promise.race([received.opened, asking.then(() => received.opened)])
}

function comparable({ status, message, rawHeaders, body }: Wire): object {
  return { status, message, rawHeaders, body: body.toString('latin1') }
}
