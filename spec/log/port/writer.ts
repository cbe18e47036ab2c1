// In a thread or a process of its own: writes to a log that lives in the one of the specs, and follows it.
import { parentPort } from 'node:worker_threads'
import { PortLog } from '../../../src/log/port/index.js'
import { writer } from '../writing.js'

writer(new PortLog(parentPort ?? process))
