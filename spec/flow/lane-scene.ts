import type Koa from 'koa'
import { type LaneOptions, type Lanes, lanes } from '../../src/flow/lanes.js'
import type { ContinuationsOptions } from '../../src/index.js'
import { type Scene, scene } from '../support/scene.js'
import { type Errand, errand } from './errand.js'

export interface LaneScene extends Scene {
  readonly work: Lanes<'database' | 'search'>
  /** The jobs by name, made when they are asked for. */
  job(name: string): Errand
  /** The names of the jobs, in the order in which they began. */
  readonly begun: string[]
}

/** A scene with a lane for one job, a lane for two, and jobs that a test ends. */
export async function laneScene(
  handler: (ctx: Koa.Context, stage: LaneScene) => unknown,
  { database = {}, ...options }: ContinuationsOptions & { database?: Partial<LaneOptions> } = {},
): Promise<LaneScene> {
  const begun: string[] = []
  const jobs = new Map<string, Errand>()
  let stage: LaneScene
  const made = await scene(
    (ctx, next) => stage.work(ctx, () => (handler(ctx, stage) as Promise<void>) ?? next()),
    options,
  )
  const { clock } = made
  stage = Object.create(made, {
    work: { value: lanes({ database: { concurrency: 1, ...database }, search: { concurrency: 2 } }, { clock }) },
    begun: { value: begun },
    job: {
      value: (name: string): Errand => {
        const known = jobs.get(name) ?? errand(() => begun.push(name))
        jobs.set(name, known)
        return known
      },
    },
  })
  return stage
}
