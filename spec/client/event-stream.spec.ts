import assert from 'node:assert/strict'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import { eventStream } from '../../src/client/event-stream.js'

interface Event {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string
}

function ours(pieces: readonly string[]): Event[] {
  const events: Event[] = []
  const feed = eventStream(({ id, event, data }) => {
    if (data !== undefined) events.push({ id, event: event || undefined, data })
  })
  for (const piece of pieces) feed(piece)
  return events
}

function theirs(pieces: readonly string[]): Event[] {
  const events: Event[] = []
  const parser = createParser({ onEvent: ({ id, event, data }) => events.push({ id, event, data }) })
  for (const piece of pieces) parser.feed(piece)
  return events
}

describe('the parser of event streams', () => {
  it('reads what eventsource-parser reads, in whatever pieces it comes', () => {
    const value = fc.string({ unit: fc.constantFrom('a', ' ', ':', '{', 'ü', '🙂') })
    const line = fc.oneof(
      fc
        .tuple(fc.constantFrom('id', 'event', 'data', 'retry', 'other', ''), fc.constantFrom(':', ': '), value)
        .map((parts) => parts.join('')),
      fc.constantFrom('data', 'id', 'event', '', '', ''),
    )
    const text = fc
      .tuple(fc.array(line), fc.constantFrom('\n', '\r\n', '\r'))
      .map(([lines, end]) => lines.map((one) => one + end).join(''))
    const pieces = fc.tuple(text, fc.array(fc.nat(30))).map(([whole, lengths]) => {
      const cut: string[] = []
      let rest = whole
      for (const length of lengths) {
        cut.push(rest.slice(0, length))
        rest = rest.slice(length)
      }
      // behind it a line, so that a carriage return at the end is not waited upon
      return [...cut, rest, ':\n']
    })
    fc.assert(
      fc.property(pieces, (given) => {
        assert.deepEqual(ours(given), theirs(given))
      }),
      { numRuns: 2_000 },
    )
  })

  it('tells of an event without data too', () => {
    const events: unknown[] = []
    eventStream((event) => events.push(event))('id: c-1\n\n:\n\ndata\n\n')
    assert.deepEqual(events, [{ id: 'c-1' }, { '': '' }, { data: '' }])
  })

  it('a carriage return that ended a piece is a line break once the next has come', () => {
    const events: unknown[] = []
    const feed = eventStream((event) => events.push(event))
    for (const piece of ['data: 1\r', '\r', 'd']) feed(piece)
    assert.deepEqual(events, [{ data: '1' }])
    for (const piece of ['ata: 2\r\n\r', ':']) feed(piece)
    assert.deepEqual(events, [{ data: '1' }, { data: '2' }])
  })

  it('a long event in many pieces is looked through once', () => {
    const data = 'x'.repeat(100_000)
    const events: unknown[] = []
    const feed = eventStream((event) => events.push(event))
    const { split } = String.prototype
    let looked = 0
    String.prototype.split = function counting(this: string, ...by: Parameters<typeof split>) {
      looked += this.length
      return split.apply(this, by)
    } as typeof split
    try {
      for (let place = 0; place < data.length; place += 100)
        feed(`${place ? '' : 'data: '}${data.slice(place, place + 100)}`)
      feed('\n\n')
    } finally {
      String.prototype.split = split
    }
    assert.deepEqual(events, [{ data }])
    assert.ok(looked < 2 * data.length, `${looked} characters`)
  })
})
