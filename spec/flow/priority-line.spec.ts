import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PriorityLine, type Standing } from '../../src/flow/priority-line.js'

interface Named extends Standing {
  readonly name: string
}

const standing = (name: string, priority = 0): Named => ({ name, priority, place: 0, arrival: 0 })

function leaving(line: PriorityLine<Named>): string {
  let names = ''
  for (let item = line.shift(); item !== undefined; item = line.shift()) names += item.name
  return names
}

describe('a line by priority', () => {
  it('the higher priority goes first; within a priority, who came first', () => {
    const line = new PriorityLine<Named>()
    for (const [name, priority] of Object.entries({ a: 0, b: 1, c: -1, d: 0, e: 1, f: Number.POSITIVE_INFINITY })) {
      line.push(standing(name, priority))
    }
    assert.equal(line.size, 6)
    assert.equal(leaving(line), 'fbeadc')
    assert.equal(line.size, 0)
    assert.equal(line.shift(), undefined)
  })

  it('who leaves from the middle changes nothing for the others', () => {
    const line = new PriorityLine<Named>()
    const all = [...'abcdefgh'].map((name, place) => standing(name, place % 3))
    for (const item of all) line.push(item)
    line.remove(all[2] as Named)
    line.remove(all[7] as Named)
    line.remove(all[0] as Named)
    // has left already
    line.remove(all[2] as Named)
    assert.equal(leaving(line), 'fbedg')
  })

  it('is what a sorted list would be, whoever joins and leaves', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: -2, max: 2 }) }),
      fc.constant('shift' as const),
      fc.record({ remove: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new PriorityLine<Named>()
        let model: Named[] = []
        for (const [count, step] of steps.entries()) {
          const sorted = [...model].sort((one, other) => other.priority - one.priority)
          if (step === 'shift') {
            assert.equal(line.shift(), sorted[0])
            model = model.filter((item) => item !== sorted[0])
          } else if ('push' in step) {
            const item = standing(String(count), step.push)
            line.push(item)
            model.push(item)
          } else if (model.length > 0) {
            const [item] = model.splice(step.remove % model.length, 1) as [Named]
            line.remove(item)
          }
          assert.equal(line.size, model.length)
          const rest = [...model].sort((one, other) => other.priority - one.priority)
          assert.deepEqual([...line], rest)
          assert.equal(line.last, rest.at(-1))
        }
        const rest = model.sort((one, other) => other.priority - one.priority)
        assert.equal(leaving(line), rest.map(({ name }) => name).join(''))
      }),
      { numRuns: 500 },
    )
  })
})
