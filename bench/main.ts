/**
 * Every bench, in one run: ours beside plain Node, beside what else Node has for the purpose, and beside other systems.
 *
 * Usage: npm run bench -- --help
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { planOf, usage } from './plan.js'
import { type Results, write } from './report/write.js'
import { chosen, run } from './run.js'
import { machine, pinSelf } from './support/machine.js'
import { versions } from './ways.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const say = (line: string): void => console.log(line)

// so that what was started is ended
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const plan = planOf(process.argv.slice(2))
if (plan === undefined) say(usage)
else if (plan.from !== undefined) write(JSON.parse(readFileSync(plan.from, 'utf8')) as Results, plan.out, say)
else {
  const ways = chosen(plan, say)
  const facts = [...machine(), versions(ways).join(', ')]
  if (plan.nodeOptions.length > 0) facts.push(`Node is run with ${plan.nodeOptions.join(' ')}`)
  for (const fact of facts) say(fact)
  pinSelf()
  const begun = performance.now()
  const samples = await run(plan, ways, say)
  const results: Results = {
    taken: new Date().toISOString(),
    plan,
    facts,
    samples,
    minutes: (performance.now() - begun) / 60_000,
  }
  const folder = `${root}.cache/bench`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/results.json`, JSON.stringify(results))
  write(results, plan.out, say)
}
