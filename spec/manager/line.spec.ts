import assert from 'node:assert/strict'
import { Line, Link } from '../../src/manager/line.js'

describe('a line of a manager', () => {
  it('that is disbanded is empty, none of its links holds on to the next, and nobody is told of who is let go after', () => {
    const left: Link[] = []
    const line = new Line('key', { left: (link) => left.push(link) }, false)
    const links = [0, 1, 2].map(() => new Link({} as Link['life'], line, {}, undefined))
    for (const link of links) line.push(link)
    line.disband()
    for (const link of links) {
      assert.deepEqual([link.before, link.after, line.has(link)], [undefined, undefined, false])
      link.letGo()
    }
    assert.deepEqual([line.size, left], [0, []])
  })
})
