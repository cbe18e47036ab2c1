import type { Plan } from '../plan.js'
import { pick, type Table } from './figures.js'

/** What must hold, and what came of it. */
export interface Promised {
  readonly what: string
  readonly found: number
  readonly most: number
  readonly unit: '' | 'ms'
}

const plainHolds = [
  ['hold', 'plain hold'],
  ['kept', 'plain hold that keeps requests'],
] as const
const route = ['route', 'one route'] as const
const memory = [
  ['heap', 'heap'],
  ['resident', 'RSS'],
] as const

/** Every promise for which there are figures. Figures are medians of one run; most are ratios of two of them. */
export function promised(tables: readonly Table[], plan: Plan): Promised[] {
  const [, size = 0, greatest = size] = plan.broadcast.clients
  const found: Promised[] = []

  const add = (what: string, value: number | undefined, most: number, unit: Promised['unit'] = ''): void => {
    if (value !== undefined && Number.isFinite(value)) found.push({ what, found: value, most, unit })
  }
  const held = (line: string, column: string, count = size): number | undefined =>
    pick(tables, 'broadcast', count, line, column)
  const ratio = (one: number | undefined, other: number | undefined): number | undefined =>
    one === undefined || other === undefined ? undefined : one / other

  for (const [line, name] of plainHolds) {
    add(`CPU a wake: ${name} to \`node:http\``, ratio(held(line, 'wake'), held('http', 'wake')), 1.1)
  }
  add('CPU a wake: one route to Koa with a promise', ratio(held('route', 'wake'), held('koa', 'wake')), 1.05)
  add('CPU a wake: whole app to Koa with a promise', ratio(held('app', 'wake'), held('koa', 'wake')), 1.5)
  for (const [line, name] of [...plainHolds, route]) {
    add(`longest stall: ${name}`, held(line, 'stall'), 10, 'ms')
    add(`longest stall where all ask again at once: ${name}`, held(line, 'againStall'), 10, 'ms')
    add(`the last of all: ${name} to \`node:http\``, ratio(held(line, 'last'), held('http', 'last')), 1.2)
    add(
      `the last of all, who ask again at once: ${name} to \`node:http\``,
      ratio(held(line, 'againLast'), held('http', 'againLast')),
      1.2,
    )
  }
  const events = 'a channel, server-sent events'
  add(`CPU a wake: ${events} to those by hand`, ratio(held('channel-events', 'wake'), held('koa-events', 'wake')), 1)
  add(`longest stall: ${events}`, held('channel-events', 'stall'), 10, 'ms')
  add(`the last of all: ${events} to \`node:http\``, ratio(held('channel-events', 'last'), held('http', 'last')), 1.2)
  for (const [line, name] of plainHolds) {
    for (const [column, title] of memory) {
      const [own, other] = [held(line, column, greatest), held('koa', column, greatest)]
      add(`${title} a held request: ${name} to Koa with a promise`, ratio(own, other), 1)
    }
  }
  for (const [line, name] of [...plainHolds, route]) {
    const most = (of: string): number | undefined => pick(tables, 'keys', plan.keys.count, of, 'most')
    add(`one key of many, 99 %: ${name} to \`node:http\``, ratio(most(line), most('http')), 1.2)
  }
  const comparisons = ['alone', 'map', 'unmap']
  const manager = tables.find(({ workload }) => workload.name === 'manager')
  for (const { name, title } of manager?.rows ?? []) {
    if (comparisons.includes(name)) continue
    const { few, many } = plan.manager
    const grown = (column: string): number | undefined => pick(tables, 'manager', many, name, column)
    add(`${title} among ${many} to ${few}`, grown('ratio'), 1.5)
    add(`${title} among ${many} to ${few}, with as much in memory`, grown('growth'), 1.5)
  }
  const rate = (line: string): number | undefined => pick(tables, 'plain', plan.plain.connections, line, 'rate')
  add(
    'a plain route: without `continuations()` above it to with',
    ratio(rate('plain-koa'), rate('plain-continuations')),
    1.03,
  )
  add('a burst, the last of all: one route', pick(tables, 'burst', plan.burst.clients, 'route', 'last'), 1_000, 'ms')
  return found
}

/** Of another system: in how many columns one of ours is ahead, and in which it is behind. */
export interface Against {
  readonly title: string
  readonly ahead: number
  readonly behind: readonly { readonly what: string; readonly ratio: number }[]
}

/** Compares one of ours with another in every column that both have. */
export function against(tables: readonly Table[], own: string, other: string): Against | undefined {
  let ahead = 0
  const behind: { what: string; ratio: number }[] = []
  let title: string | undefined
  for (const { workload, heading, rows } of tables) {
    const [one, two] = [own, other].map((name) => rows.find((row) => row.name === name))
    if (one === undefined || two === undefined) continue
    title = two.title
    for (const [place, { column, median }] of one.cells.entries()) {
      const theirs = two.cells[place]?.median ?? Number.NaN
      if (!Number.isFinite(median) || !Number.isFinite(theirs) || column.bare) continue
      const ratio = column.more ? theirs / median : median / theirs
      if (ratio <= 1) ahead++
      else behind.push({ what: [workload.title, heading, column.title].filter(Boolean).join(', '), ratio })
    }
  }
  return title === undefined ? undefined : { title, ahead, behind }
}
