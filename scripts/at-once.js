// How mocha runs the specs of several files at once: a process for each core, and no more than a machine has memory for browsers.
import { availableParallelism } from 'node:os'

export const atOnce = ['--parallel', '--jobs', String(Math.min(availableParallelism(), 4))]
