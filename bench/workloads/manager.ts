import { start } from '../support/child.js'
import { median } from '../support/figures.js'
import type { Workload } from './workload.js'

export const manager: Workload = {
  name: 'manager',
  title: 'A manager with many',
  about: ({ manager: { few, many } }) =>
    `What one call takes in a manager in which ${few} wait, and in one in which ${many} do, by turns in one process without ` +
    `sockets: medians of batches. Where but ${few} wait in all, what they are made of stays in the processor's cache from one call to the ` +
    `next. So the same once more where ${many} wait, of whom ${few} are in one manager: that is ${few} to ${many} with as much in memory.`,
  columns: [
    { name: 'few', title: 'among few, ns', digits: 0, bare: true },
    { name: 'many', title: 'among many, ns', digits: 0, bare: true },
    { name: 'ratio', title: 'ratio', digits: 2, bare: true },
    { name: 'spread', title: 'among few, and as much in memory, ns', digits: 0, bare: true },
    { name: 'growth', title: 'ratio to that', digits: 2, bare: true },
  ],
  lines: {
    stash: '`stash`',
    resume: '`resume` of one key',
    first: '`resume` of the first of one key',
    expire: 'expiry',
    leave: 'leaving',
    alone: 'for comparison, leaving in no manager',
    map: 'a bare `Map`: `set`',
    unmap: 'a bare `Map`: `get` and `delete`',
  },

  async *round(_ways, { manager: plan, nodeOptions }) {
    const child = await start('drivers/manager.js', { role: 'server', options: nodeOptions })
    try {
      const taken = await child.ask<Record<string, { few: number[]; many: number[]; spread: number[] }>>(
        'measure',
        plan,
      )
      for (const [line, batches] of Object.entries(taken)) {
        const [few, many, spread] = [median(batches.few), median(batches.many), median(batches.spread)]
        yield { line, size: plan.many, figures: { few, many, ratio: many / few, spread, growth: many / spread } }
      }
    } finally {
      await child.stop()
    }
  },
}
