import assert from 'node:assert/strict'
import { createApp } from '../../examples/qos/app.js'
import { headings, rush, shown } from '../../examples/qos/rush.js'
import { qos } from '../../src/flow/qos.js'
import { type Served, serve } from '../support/serve.js'
import { ask, endAll, run } from './run-example.js'

const size = { width: 40, height: 24 }

describe('the qos example', () => {
  let served: Served
  afterEach(() => served.close())

  it('draws a picture for each number: a BMP', async () => {
    served = await serve(createApp([], size).app)
    const bodies = []
    for (const seed of [1, 1, 2]) {
      const answer = await fetch(`${served.url}/pictures/${seed}`)
      assert.equal(answer.headers.get('content-type'), 'image/bmp')
      bodies.push(Buffer.from(await answer.arrayBuffer()))
    }
    const [first, same, other] = bodies as [Buffer, Buffer, Buffer]
    assert.equal(first.toString('latin1', 0, 2), 'BM')
    assert.deepEqual([first.readUInt32LE(2), first.length], [first.length, 54 + 40 * 3 * 24])
    assert.deepEqual([first.readInt32LE(18), first.readInt32LE(22)], [40, 24])
    assert.ok(first.equals(same) && !first.equals(other))
    assert.ok(new Set(first.subarray(54)).size > 20)
  })

  it('in a rush, all are served who have the patience, with the line and without', async () => {
    for (const first of [[], [qos({ maxRequests: 2 })]]) {
      const pictures = createApp(first, size)
      served = await serve(pictures.app)
      const { median, ...figures } = await rush(pictures, { url: served.url, clients: 12, patience: 10_000 })
      assert.deepEqual(figures, { served: 12, refused: 0, gaveUp: 0, drawn: 12 })
      assert.ok(median !== undefined && median > 0)
      if (first.length === 0) await served.close()
    }
  })

  it('in a rush, nothing is drawn for those that are refused', async () => {
    const pictures = createApp([qos({ maxRequests: 1, maxSuspended: 2 })], { width: 400, height: 240 })
    served = await serve(pictures.app)
    const {
      served: count,
      refused,
      gaveUp,
      drawn,
    } = await rush(pictures, { url: served.url, clients: 12, patience: 10_000 })
    assert.equal(count + refused, 12)
    assert.deepEqual([drawn, gaveUp], [count, 0])
    assert.ok(refused > 0)
  })

  it('shows a rush as a line of a table', async () => {
    served = await serve(createApp([], size).app)
    const line = shown('with qos()', { served: 38, refused: 0, gaveUp: 62, median: 1_036.4, drawn: 40 })
    assert.equal(line, 'with qos()           38  1036 ms        0       62       40')
    assert.equal(headings.length, line.length)
    assert.match(shown('without', { served: 0, refused: 0, gaveUp: 1, median: undefined, drawn: 1 }), / 0 +- +0 +1 +1$/)
  })
})

describe('npm run qos', () => {
  afterEach(endAll)

  it('the same picture comes from both of its ports; SIGTERM ends it with exit code 0', async () => {
    const example = run('qos')
    const [limited = '', plain = ''] = await both(example)
    const answers = [await ask(limited), await ask(plain)]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    )
    assert.equal(answers[0]?.body, answers[1]?.body)
    example.signal('SIGTERM')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })
})

async function both(example: ReturnType<typeof run>): Promise<string[]> {
  await example.prints(/Press Enter/)
  return [...example.printed.matchAll(/http:\S+/g)].map(([url]) => url)
}
