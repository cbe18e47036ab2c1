// The event loop's delay while off-loading is saturated: `npx tsx spec/soak/offload.ts [seconds] [threads]`

import { availableParallelism } from 'node:os'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import Koa from 'koa'
import { type OffloadOptions, offload } from '../../src/flow/offload.js'
import { continuations } from '../../src/index.js'
import { serve } from '../support/serve.js'
import hash from './offload-task.js'

export interface Figures {
  /** How many were answered. */
  readonly answered: number
  /** How many were answered otherwise than by 200. */
  readonly refused: number
  /** Whether all threads were busy, and others in line, whenever an answer came. */
  readonly saturated: boolean
  /** Of the event loop, in milliseconds, above the interval at which it is looked at. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Milliseconds between two looks at the event loop. */
const resolution = 1

/** Keeps `clients` requests under way until the time is up. */
async function load(handler: Koa.Middleware, clients: number, ms: number, busy: () => boolean): Promise<Figures> {
  const { get, close } = await serve(new Koa().use(continuations({ limits: { total: 10_000 } })).use(handler))
  // what is compiled and connected at the beginning is not what is measured
  await get('/')
  const delay = monitorEventLoopDelay({ resolution })
  const end = performance.now() + ms
  let [answered, refused, saturated] = [0, 0, true]
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const { status } = await get('/')
      answered++
      if (status !== 200) refused++
      if (performance.now() < end && !busy()) saturated = false
    }
  }
  delay.enable()
  await Promise.all(Array.from({ length: clients }, client))
  delay.disable()
  await close()
  return { answered, refused, saturated, delay: figures(delay) }
}

function figures(delay: IntervalHistogram): Figures['delay'] {
  const above = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution)
  return { p50: above(delay.percentile(50)), p99: above(delay.percentile(99)), max: above(delay.max) }
}

export interface Soaked {
  readonly quiet: Figures
  readonly offloaded: Figures
  readonly blocking: Figures
}

/** @param clients for each thread */
export async function soak(
  ms: number,
  threads: number,
  clients: number,
  options: OffloadOptions = {},
): Promise<Soaked> {
  const hashing = offload<typeof hash>(new URL('offload-task.ts', import.meta.url), { threads, ...options })
  const always = (): boolean => true
  const quiet = await load(
    async (ctx) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      ctx.body = 'quiet'
    },
    4,
    ms,
    always,
  )
  const offloaded = await load(
    async (ctx) => {
      ctx.body = await hashing.waitFor(ctx.continuation, 'password')
    },
    threads * clients,
    ms,
    () => hashing.stats().running === threads && hashing.stats().waiting > 0,
  )
  await hashing.close()
  const blocking = await load(
    (ctx) => {
      ctx.body = hash('password')
    },
    threads * clients,
    ms / 2,
    always,
  )
  return { quiet, offloaded, blocking }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seconds = 20, threads = Math.max(1, availableParallelism() - 1)] = process.argv.slice(2).map(Number)
  const { quiet, offloaded, blocking } = await soak(seconds * 1_000, threads, 8)
  const cores = availableParallelism()
  console.log(
    `Node ${process.version}, ${cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${seconds} s`,
  )
  for (const [name, { answered, refused, delay }] of Object.entries({ quiet, offloaded, blocking })) {
    const { p50, p99, max } = delay
    const shown = [p50, p99, max].map((ms) => ms.toFixed(2)).join(' / ')
    console.log(`${name}: ${answered} answers, ${refused} refused; event loop's delay p50 / p99 / max ${shown} ms`)
  }
  const fine = offloaded.delay.p99 < 20 && offloaded.saturated && offloaded.refused === 0
  console.log(fine ? 'under 20 ms at p99, saturated all the time' : 'NOT under 20 ms at p99, or not saturated')
  process.exit(fine ? 0 : 1)
}
