import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Plan, planOf } from '../../bench/plan.js'
import { tablesOf } from '../../bench/report/figures.js'
import { measuredPart } from '../../bench/report/page.js'
import { against, promised } from '../../bench/report/promises.js'
import { type Results, write } from '../../bench/report/write.js'
import { run } from '../../bench/run.js'
import { type Way, ways } from '../../bench/ways.js'
import { workloads } from '../../bench/workloads/index.js'
import type { Sample } from '../../bench/workloads/workload.js'

const quiet = (): void => {}

function planned(...args: string[]): Plan {
  const plan = planOf(['--tiny', '--rounds', '1', ...args])
  assert.ok(plan)
  return plan
}

const named = (...names: string[]): Way[] => ways.filter(({ name }) => names.includes(name))

/** Lines and sizes of which every figure is there, but for those that only some can have. */
function complete(samples: readonly Sample[]): string[] {
  return samples.map(({ workload, line, size, figures }) => {
    for (const { name } of workloads.find((one) => one.name === workload)?.columns ?? []) {
      if (['cold', 'hold', 'resident', 'heap', 'stall', 'againLast', 'againStall'].includes(name)) continue
      assert.ok(Number.isFinite(figures[name]), `${workload} ${line} ${size}: ${name} is ${figures[name]}`)
    }
    return `${line} ${size}`
  })
}

describe('the benches', function () {
  // each starts processes, a dozen of them at once
  this.timeout(60_000)

  for (const [only, names, sizes] of [
    ['broadcast', ['koa'], [10, 20, 30]],
    ['keys', ['route'], [20]],
    ['burst', ['http'], [20]],
    ['chat', ['channel'], [50, 100]],
    ['plain', ['plain-http', 'plain-continuations'], [2]],
  ] as const) {
    it(`${only}: measures everybody it is given, in every size`, async () => {
      const samples = await run(planned('--only', only), named(...names), quiet)
      const expected = names.flatMap((name) => sizes.map((size) => `${name} ${size}`))
      assert.deepEqual(complete(samples), expected)
      for (const { figures } of samples) assert.ok(!(Math.abs(figures['missing'] ?? 0) > 0), JSON.stringify(figures))
      assert.deepEqual(
        samples.map(({ figures }) => Number.isFinite(figures['cold'])),
        samples.map((_, place) => only === 'broadcast' && place === 0),
      )
    })
  }

  it('manager: measures each operation among few and among many', async () => {
    const samples = await run(planned('--only', 'manager'), [], quiet)
    assert.deepEqual(
      complete(samples),
      ['stash', 'resume', 'leave', 'alone', 'expire', 'map', 'unmap', 'first'].map((name) => `${name} 1000`),
    )
  })
})

describe('the table of the benches', () => {
  const plan = planned()
  const sample = (
    workload: Sample['workload'],
    size: number,
    line: string,
    round: number,
    figures: object,
  ): Sample => ({
    workload,
    size,
    line,
    round,
    figures: figures as Sample['figures'],
  })
  const samples = [20, 30, 10].flatMap((wake, round) => [
    sample('broadcast', 20, 'http', round, { wake, last: 100, stall: 100, load: 0.5 }),
    sample('broadcast', 20, 'koa', round, { wake: 2 * wake, last: 200, stall: 90, load: 0.25 }),
    sample('broadcast', 20, 'route', round, { wake: 2.2 * wake, last: 110, stall: 8, load: 0.25 }),
    sample('chat', 50, 'http', round, { deliveries: 1_000 }),
    sample('chat', 50, 'route', round, { deliveries: 500 }),
    sample('chat', 50, 'socket-io', round, { deliveries: 600 }),
    sample('broadcast', 20, 'socket-io', round, { wake: 100, last: 220, stall: 8 }),
  ])
  const results: Results = { taken: '2026-01-02T03:04:05Z', minutes: 7, plan, facts: ['a machine'], samples }
  const tables = tablesOf(samples)

  it('has medians of all rounds, their spread, and the ratio to the first line', () => {
    const [first] = tables
    const wake = first?.rows.map(({ name, cells }) => [name, cells[0]?.median, cells[0]?.spread, cells[0]?.ratio])
    assert.deepEqual(wake, [
      ['http', 20, 0.5, 1],
      ['koa', 40, 0.5, 2],
      ['route', 44, 0.5, 2.2],
      ['socket-io', 100, 0, 5],
    ])
  })

  it('says of each promise whether it holds', () => {
    const more = tablesOf([
      ...samples,
      sample('broadcast', 20, 'hold', 0, { wake: 30, last: 110, stall: 12 }),
      sample('broadcast', 20, 'kept', 0, { wake: 10, last: 50, stall: 6 }),
      sample('broadcast', 20, 'channel-events', 0, { wake: 11, last: 90, stall: 13 }),
      sample('broadcast', 20, 'koa-events', 0, { wake: 10, last: 90, stall: 100 }),
    ])
    const held = promised(more, plan).map(({ what, found, most }) => [what, Number(found.toFixed(2)), found <= most])
    assert.deepEqual(held, [
      ['CPU a wake: plain hold to `node:http`', 1.5, false],
      ['CPU a wake: plain hold that keeps requests to `node:http`', 0.5, true],
      ['CPU a wake: one route to Koa with a promise', 1.1, false],
      ['longest stall: plain hold', 12, false],
      ['the last of all: plain hold to `node:http`', 1.1, true],
      ['longest stall: plain hold that keeps requests', 6, true],
      ['the last of all: plain hold that keeps requests to `node:http`', 0.5, true],
      ['longest stall: one route', 8, true],
      ['the last of all: one route to `node:http`', 1.1, true],
      ['CPU a wake: a channel, server-sent events to those by hand', 1.1, false],
      ['longest stall: a channel, server-sent events', 13, false],
      ['the last of all: a channel, server-sent events to `node:http`', 0.9, true],
    ])
  })

  it('says where one of ours is behind another system', () => {
    const found = against(tables, 'route', 'socket-io')
    assert.equal(found?.ahead, 3)
    assert.deepEqual(found?.behind, [{ what: 'A chat, 50 messages a second, deliveries/s', ratio: 1.2 }])
  })

  it('sets channels beside other systems in the chat alone', () => {
    const events = [
      sample('chat', 50, 'channel-events', 0, { deliveries: 900 }),
      sample('broadcast', 20, 'channel-events', 0, { wake: 1_000, last: 1_000, stall: 1_000 }),
    ]
    const page = measuredPart({ ...results, samples: [...samples, ...events] })
    const [, , besides = ''] = page.slice(page.indexOf('## Beside other systems')).split(/^.* is ahead and behind/m)
    assert.match(
      besides,
      /^.*:\n\n\| +\| ahead \| behind \| most of all in \|\n.*\n\| Socket\.IO, polling \| +1 \| +0 \| +– \|/,
    )
  })

  it('is written between the marks of the page and nowhere else, with the chart beside it', () => {
    const out = mkdtempSync(join(tmpdir(), 'bench-spec-'))
    try {
      write(results, out, quiet)
      const page = readFileSync(join(out, 'benchmarks.md'), 'utf8')
      assert.ok(page.includes(measuredPart(results).trim()))
      write({ ...results, facts: ['another machine'] }, out, quiet)
      assert.equal(readFileSync(join(out, 'benchmarks.md'), 'utf8'), page.replace('a machine', 'another machine'))

      const chart = readFileSync(join(out, 'benchmarks.svg'), 'utf8')
      assert.match(chart, /^<svg [^>]+>[\s\S]*<\/svg>\n$/)
      assert.match(chart, /suspend, dispatch again, one route<\/text>.*>44\.0<\/text>/)
    } finally {
      rmSync(out, { recursive: true })
    }
  })

  it('of a part of the benches goes to no page', () => {
    assert.equal(planOf(['--only', 'plain'])?.out, undefined)
    assert.equal(planOf(['--rounds', '2'])?.out, undefined)
    assert.equal(planOf([])?.out, 'docs')
    assert.equal(planOf(['--peers', 'all'])?.out, 'docs')
    assert.throws(() => planOf(['--only', 'plane']), /There is no workload plane/)
  })
})
