import { start } from '../child.js'

export interface ServerFigures {
  /** How requests ended, since asked last. */
  statuses: Record<string, number>
  connections: number
  /** Requests that are suspended by a handler, that run, that wait for their turn, and that are put off. */
  held: number
  running: number
  suspended: number
  delayed: number
  /** Clients that are known. */
  clients: number
  /** The most that were in the handler at once. */
  most: number
  /** Bytes. */
  rss: number
  heap: number
  /** Milliseconds of processor time. */
  cpu: number
  /** The delay of the event loop, p99 in milliseconds, since asked last. */
  loop: number
}

export interface HonestOptions {
  readonly port: number
  readonly clients: number
  readonly seconds: number
  /** Milliseconds that a client does nothing between two requests, at most. */
  readonly pause: number
}

export interface HonestFigures {
  /** Milliseconds until the answer, of those who come again on the connection that they have had before. */
  waits: number[]
  /** And of those who have to connect for it. */
  connecting: number[]
  /** How often another status came than 200. */
  failed: Record<string, number>
}

export interface AttackOptions {
  readonly port: number
  readonly connections: number
  readonly addresses: number
}

/** How often what was begun. */
export interface AttackFigures {
  hold: number
  trickle: number
  abort: number
  flood: number
}

export interface Phase {
  readonly name: string
  readonly seconds: number
  readonly honest: HonestFigures
  readonly server: ServerFigures
  readonly attack: AttackFigures
}

export interface Attack {
  readonly clients: number
  readonly connections: number
  readonly addresses: number
  /** Milliseconds that the handler takes. */
  readonly work: number
  /** Of the quiet, of the attack, and of the quiet after that. */
  readonly seconds: readonly [number, number, number]
  readonly pause: number
}

/** Honest clients before, under and after an attack. */
export async function attack({ clients, connections, addresses, work, seconds, pause }: Attack): Promise<Phase[]> {
  const [server, honest, attacker] = await Promise.all([
    // where it likes: the collector of a server on one core alone has no other for its threads, as hardly anywhere
    start(new URL('server.ts', import.meta.url), { execArgv: ['--expose-gc'] }),
    start(new URL('honest.ts', import.meta.url), { core: 1 }),
    // the attacker is not to take the processor away from those whose time is measured
    start(new URL('attacker.ts', import.meta.url), { core: 1, yields: true }),
  ])
  try {
    const port = await server.ask<number>('open', { work })
    const phases: Phase[] = []
    // what is not compiled yet would be measured as quiet
    await honest.ask('ask', { port, clients, seconds: Math.min(2, seconds[0]), pause })
    await server.ask('figures')
    for (const [n, name] of ['quiet', 'attack', 'quiet again'].entries()) {
      if (name === 'attack') await attacker.ask('begin', { port, connections, addresses })
      const took = await honest.ask<HonestFigures>('ask', { port, clients, seconds: seconds[n], pause })
      const figures = await server.ask<ServerFigures>('figures')
      if (name === 'attack') await attacker.ask('end')
      phases.push({
        name,
        seconds: seconds[n] ?? 0,
        honest: took,
        server: figures,
        attack: await attacker.ask<AttackFigures>('figures'),
      })
    }
    return phases
  } finally {
    await Promise.all([server.stop(), honest.stop(), attacker.stop()])
  }
}
