// In a thread or a process of its own: owns the logs that the specs use from theirs.
import { parentPort } from 'node:worker_threads'
import { MemoryLog } from '../../../src/log/memory.js'
import { LogOwner } from '../../../src/log/port/index.js'

const port = parentPort ?? process
let owner: LogOwner | undefined
let now = 0

port.on('message', ({ open, advance, end }: { open?: string; advance?: number; end?: true }) => {
  if (open !== undefined) {
    owner?.close()
    owner = new LogOwner(new MemoryLog({ now: () => now }), { name: open })
    owner.serve(port)
  }
  now += advance ?? 0
  if (advance !== undefined) {
    if (parentPort === null) process.send?.({ now })
    else parentPort.postMessage({ now })
  }
  if (end) process.exit()
})
