import { debian } from './servers/debian/launch.js'
import { versionOf } from './support/machine.js'

/** Who is measured. */
export interface Way {
  readonly name: string
  readonly title: string
  readonly group: 'ours' | 'node' | 'debian'
  /** How its clients ask; see drivers/dialects.js. */
  readonly dialect: 'poll' | 'cursor' | 'nchan' | 'events' | 'socket.io'
  readonly workloads: readonly WorkloadName[]
  /** Is held as often as one process may open files for. */
  readonly toTheLimit?: boolean
  /** A file of servers/ for plain Node. */
  readonly file?: string
  /** Something else that listens. */
  readonly launch?: Launch
  /** What it is made of, for the versions. */
  readonly packages?: readonly string[]
}

export type WorkloadName = 'broadcast' | 'keys' | 'burst' | 'chat' | 'plain' | 'manager'

/** A server that is no Node program of ours. */
export interface Launch {
  /** What has to be installed from Debian. */
  readonly packages: readonly string[]
  /** Where `packages` is the last word on what was measured. */
  readonly version: string
  command(where: { port: number; folder: string; timeout: number }): [string, ...string[]]
}

const polls = ['broadcast', 'keys', 'burst', 'chat'] as const
const pushes = ['broadcast', 'chat'] as const

const node = (name: string, title: string, more: Partial<Way> = {}): Way => ({
  name,
  title,
  group: 'node',
  dialect: 'poll',
  workloads: polls,
  file: `node/${name}.js`,
  ...more,
})

const ours = (name: string, title: string, more: Partial<Way> = {}): Way => ({
  name,
  title,
  group: 'ours',
  dialect: 'poll',
  workloads: polls,
  file: `ours/${name}.js`,
  ...more,
})

/** Everybody, in the order of the tables. The first is the measure of the others. */
export const ways: readonly Way[] = [
  node('http', '`node:http`, `res` in a Set', { toTheLimit: true }),
  node('koa', 'Koa, awaited promise', {
    packages: ['koa'],
    workloads: ['broadcast', 'keys', 'burst'],
    toTheLimit: true,
  }),
  node('koa-set', 'Koa, `res` in a Set', { packages: ['koa'], workloads: ['broadcast'] }),
  ours('hold', '**plain hold**', { toTheLimit: true }),
  ours('kept', '**plain hold** that keeps requests', { toTheLimit: true }),
  ours('route', '**suspend, dispatch again**, one route', { toTheLimit: true }),
  ours('app', '**suspend, dispatch again**, whole app', {
    packages: ['@koa/router', 'koa-bodyparser'],
    workloads: ['broadcast', 'keys', 'burst'],
  }),
  ours('wait', '**`wait()`**', { workloads: ['broadcast', 'burst'] }),
  ours('complete', '**`complete()`** by the publisher', { workloads: ['broadcast', 'burst'] }),
  ours('channel', '**channel**, long poll', { dialect: 'cursor' }),
  ours('channel-events', '**channel**, server-sent events', {
    file: 'ours/channel.js',
    dialect: 'events',
    workloads: pushes,
  }),
  node('koa-events', 'Koa, EventEmitter, SSE by hand', { dialect: 'events', workloads: pushes }),
  node('better-sse', 'better-sse', { dialect: 'events', workloads: pushes, packages: ['better-sse'] }),
  node('socket-io', 'Socket.IO, polling', { dialect: 'socket.io', workloads: pushes, packages: ['socket.io'] }),
  ...debian,
  node('plain-http', '`node:http`', { workloads: ['plain'], file: 'plain/http.js' }),
  node('plain-koa', 'Koa and @koa/router', { workloads: ['plain'], file: 'plain/koa.js' }),
  ours('plain-continuations', 'the same under **`continuations()`**', {
    workloads: ['plain'],
    file: 'plain/continuations.js',
  }),
]

/** Names with versions of all that these are made of. */
export function versions(measured: readonly Way[]): string[] {
  const names = new Set(measured.flatMap(({ packages = [] }) => packages))
  const own = [...names].map((name) => `${name} ${versionOf(name)}`)
  return [...own, ...new Set(measured.flatMap(({ launch }) => launch?.version ?? []))]
}
