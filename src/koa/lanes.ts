import type * as Koa from 'koa'
import { UnknownLaneError } from '../core/errors.js'
import type { JobLane } from '../core/jobs.js'
import { invalid } from '../core/options.js'

export type { Job, JobLane, JobOptions, ReturnWhenOptions } from '../core/jobs.js'

const LANES: unique symbol = Symbol('koa-continuation lanes')

/** Lanes by name, as one middleware has them. */
export type LanesByName = ReadonlyMap<string, JobLane>

interface Passed {
  [LANES]?: LanesByName[]
}

/** The request has come by these lanes: from here on its continuation knows them. Each dispatch comes by again. */
export function passLanes(ctx: Koa.Context, lanes: LanesByName): void {
  const passed = ctx as Passed
  if (passed[LANES] === undefined) passed[LANES] = [lanes]
  else if (!passed[LANES].includes(lanes)) passed[LANES].push(lanes)
}

/** The lane of this name that the request has come by; of several the nearest to the handler. */
export function laneAbove(ctx: Koa.Context, name: string): JobLane {
  const above = (ctx as Passed)[LANES] ?? []
  const lane = above.findLast((lanes) => lanes.has(name))?.get(name)
  if (lane !== undefined) return lane
  if (typeof name !== 'string') throw invalid('The name of a lane', 'a string', name)
  throw new UnknownLaneError(
    name,
    above.flatMap((lanes) => [...lanes.keys()]),
  )
}
