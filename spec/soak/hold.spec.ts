import assert from 'node:assert/strict'
import { ways } from '../../bench/ways.js'
import { holdAll } from './hold.js'

describe('held requests in several processes', () => {
  it('are all answered, once a broadcast, and leave no one behind', async () => {
    const way = ways.find(({ name }) => name === 'route')
    assert.ok(way)
    const told: string[] = []
    const kept = await holdAll({
      way,
      servers: 2,
      clients: 30,
      broadcasts: 2,
      nodeOptions: ['--import', 'tsx'],
      say: (line) => told.push(line),
    })
    assert.equal(kept.length, 2)
    assert.equal(told.length, 3)
    // what a held request takes is more than what is left of it
    for (const { before, held, after } of kept) assert.ok(held.heap > before.heap && after.heap < held.heap)
  })
})
