import { start } from '../support/child.js'
import { median } from '../support/figures.js'
import type { Workload } from './workload.js'

export const manager: Workload = {
  name: 'manager',
  title: 'A manager with many',
  about: ({ manager: { few, many } }) =>
    `What one call takes in a manager in which ${few} wait, and in one in which ${many} do, by turns in one process without ` +
    'sockets: medians of batches.',
  columns: [
    { name: 'few', title: 'among few, ns', digits: 0, bare: true },
    { name: 'many', title: 'among many, ns', digits: 0, bare: true },
    { name: 'ratio', title: 'ratio', digits: 2, bare: true },
  ],
  lines: {
    stash: '`stash`',
    resume: '`resume` of one key',
    first: '`resume` of the first of one key',
    expire: 'expiry',
    leave: 'leaving',
    map: 'for comparison, a bare `Map`: `set`',
    unmap: 'a bare `Map`: `get` and `delete`',
  },

  async *round(_ways, { manager: plan, nodeOptions }) {
    const child = await start('drivers/manager.js', { role: 'server', options: nodeOptions })
    try {
      const taken = await child.ask<Record<string, { few: number[]; many: number[] }>>('measure', plan)
      for (const [line, batches] of Object.entries(taken)) {
        const [few, many] = [median(batches.few), median(batches.many)]
        yield { line, size: plan.many, figures: { few, many, ratio: many / few } }
      }
    } finally {
      await child.stop()
    }
  },
}
