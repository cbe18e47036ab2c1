// Compiled, never run: what an editor and a compiler must say of the types of lanes.
import type { Continuation } from 'koa-continuation'
import { LaneError, type LaneStats, type Lanes, lanes } from 'koa-continuation/lanes'

interface Puppy {
  readonly name: string
}

declare module 'koa-continuation' {
  interface ContinuationAttributes {
    puppies: PromiseSettledResult<Puppy[]>
  }
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

const work = lanes({ database: { concurrency: 4 }, search: { concurrency: 2, maxWaiting: 0, timeout: 0, grace: 0 } })
same<typeof work, Lanes<'database' | 'search'>>(true)

export async function calls(continuation: Continuation): Promise<void> {
  // the result of a job has its type where the attribute has one
  continuation.returnWhen('database', async (): Promise<Puppy[]> => [], { as: 'puppies', priority: 1 })
  const puppies = continuation.resultOf('puppies')
  same<Puppy[], typeof puppies>(true)
  const loose = continuation.resultOf('database')
  same<unknown, typeof loose>(true)
  // @ts-expect-error no function
  continuation.returnWhen('database', 'SELECT')
  // @ts-expect-error there is no such option
  continuation.returnWhen('database', () => 1, { name: 'x' })

  const awaited = await continuation.waitFor('database', async (signal) => {
    same<AbortSignal, typeof signal>(true)
    return { name: 'Rex' }
  })
  same<{ name: string }, typeof awaited>(true)
  const plain = await continuation.waitFor('database', () => 1)
  same<number, typeof plain>(true)

  // the value knows its lanes by name
  const ran = await work.run('search', () => 'found', { signal: continuation.signal })
  same<string, typeof ran>(true)
  work.returnWhen(continuation, 'database', () => 1)
  // @ts-expect-error there is no such lane
  await work.waitFor(continuation, 'databse', () => 1)
  same<LaneStats, ReturnType<typeof work.stats>['database']>(true)
}

// @ts-expect-error how many at once has no default
lanes({ database: {} })
// @ts-expect-error there is no such option
lanes({ database: { concurrency: 1, max: 1 } })
// @ts-expect-error no lanes
lanes()

export function tellsApart(error: unknown): string | undefined {
  if (!(error instanceof LaneError)) return undefined
  same<string, typeof error.lane>(true)
  same<number | undefined, typeof error.retryAfter>(true)
  return error.code === 'ERR_LANE_FULL' ? 'full' : undefined
}
