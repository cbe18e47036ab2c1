import { describeLog } from '../../src/log/describe-log.js'
import { MemoryLog } from '../../src/log/memory.js'

let now = 0

describeLog('MemoryLog', async () => new MemoryLog({ now: () => now }), {
  advance: (ms) => {
    now += ms
  },
})
