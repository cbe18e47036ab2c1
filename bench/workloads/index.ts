import { broadcast } from './broadcast.js'
import { burst } from './burst.js'
import { chat } from './chat.js'
import { keys } from './keys.js'
import { manager } from './manager.js'
import { plain } from './plain.js'
import type { Workload } from './workload.js'

/** In the order of the tables. */
export const workloads: readonly Workload[] = [broadcast, keys, burst, chat, plain, manager]
