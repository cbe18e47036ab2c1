// How mocha runs the specs: those of several files at once, a process for each core, but no more than a machine has memory for
// browsers; and then by themselves those that put a whole machine to work.
import { availableParallelism } from 'node:os'

const alone = ['spec/soak/**/*.spec.ts', 'spec/log/*/faults.spec.ts', 'spec/channel/clients.spec.ts']

/** The arguments of mocha, for one run after the other. */
export const runs = [
  [
    '--parallel',
    '--jobs',
    String(Math.min(availableParallelism(), 4)),
    ...alone.flatMap((files) => ['--ignore', files]),
    'spec/**/*.spec.ts',
  ],
  alone,
]
