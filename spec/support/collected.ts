import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { until } from './gate.js'

setFlagsFromString('--expose-gc')
/** Runs V8's collector. */
export const collect = runInNewContext('gc') as () => void

/** Resolves when the collector has taken all of these. */
export function collected(those: readonly (WeakRef<object> | undefined)[]): Promise<void> {
  return until(() => {
    collect()
    return those.every((one) => one !== undefined && one.deref() === undefined)
  })
}
