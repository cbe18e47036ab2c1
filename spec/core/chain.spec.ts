import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Chain, Chained } from '../../src/core/chain.js'

class Item extends Chained<Item> {
  readonly name: number

  constructor(name: number) {
    super()
    this.name = name
  }
}

describe('Chain', () => {
  it('is a set in order of arrival, whatever joins and leaves', () => {
    const act = fc.record({ name: fc.nat(7), joins: fc.boolean() })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const items = Array.from({ length: 8 }, (_, name) => new Item(name))
        const chain = new Chain<Item>()
        const model = new Set<number>()
        for (const { name, joins } of acts) {
          const item = items[name] as Item
          if (!joins) assert.equal(chain.delete(item), model.delete(name))
          else if (!chain.has(item)) {
            chain.push(item)
            model.add(name)
          }
          assert.deepEqual(
            Array.from(chain, ({ name }) => name),
            [...model],
          )
          assert.equal(chain.size, model.size)
          assert.equal(chain.first?.name, [...model][0])
        }
        // who has left holds on to nobody
        for (const { name, before, after, chain: of } of items) {
          if (!model.has(name)) assert.deepEqual([before, after, of], [undefined, undefined, undefined])
        }
      }),
    )
  })

  it('is emptied from the first on, and nobody who was taken out holds on to those behind', () => {
    const chain = new Chain<Item>()
    const items = [0, 1, 2].map((name) => new Item(name))
    for (const item of items) chain.push(item)
    for (const item of items) {
      assert.equal(chain.shift(), item)
      assert.deepEqual([item.before, item.after, item.chain], [undefined, undefined, undefined])
    }
    assert.deepEqual([chain.shift(), chain.size, chain.first], [undefined, 0, undefined])
  })

  it('is not left by those of another', () => {
    const [one, other] = [new Chain<Item>(), new Chain<Item>()]
    const item = new Item(1)
    one.push(item)
    assert.equal(other.delete(item), false)
    assert.equal(other.has(item), false)
    assert.deepEqual([one.size, other.size], [1, 0])
  })
})
