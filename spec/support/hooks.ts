import assert from 'node:assert/strict'
import { turn } from './gate.js'

// A test that leaves a timer, a socket, an unhandled rejection or stray output behind has failed.

const watched = ['Timeout', 'Immediate', 'TCPSocketWrap', 'TCPServerWrap', 'ProcessWrap', 'PipeWrap']

function left(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const resource of process.getActiveResourcesInfo()) {
    if (watched.includes(resource)) counts[resource] = (counts[resource] ?? 0) + 1
  }
  return counts
}

function more(after: Record<string, number>, before: Record<string, number>): string[] {
  return Object.keys(after).filter((name) => (after[name] ?? 0) > (before[name] ?? 0))
}

const trouble: string[] = []
const own = { error: console.error, warn: console.warn, log: console.log }
let before: Record<string, number> = {}

process.on('unhandledRejection', (reason) => trouble.push(`unhandled rejection: ${reason}`))
process.on('warning', (warning) => trouble.push(`warning: ${warning.name}: ${warning.message}`))

export const mochaHooks = {
  async beforeEach(): Promise<void> {
    trouble.length = 0
    // after a turn mocha's own timer of the hook is set, and so it is in both counts
    await turn()
    before = left()
    for (const name of ['error', 'warn', 'log'] as const) {
      console[name] = (...args: unknown[]) => trouble.push(`console.${name}: ${args.join(' ')}`)
    }
  },

  async afterEach(): Promise<void> {
    Object.assign(console, own)
    await turn()
    // what a test has closed may take a few turns of the loop to be gone
    for (let turns = 0; turns < 2_000 && more(left(), before).length > 0; turns++) {
      await turn()
    }
    const remains = more(left(), before).map((name) => `${name} ×${left()[name]}, was ×${before[name] ?? 0}`)
    assert.deepEqual([...trouble, ...remains], [], 'the test left something behind')
  },
}
