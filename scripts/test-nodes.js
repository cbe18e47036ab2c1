// The specs on every Node that the package names, each from npm's `node` package: node scripts/test-nodes.js [20 22 …]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { runs } from './spec-runs.js'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']
const mocha = ['node_modules/mocha/bin/mocha.js', '--reporter', 'dot']

const failed = versions.filter((version) => {
  const npx = (...args) => spawnSync('npx', ['-y', '-p', `node@${version}`, 'node', ...args], { cwd, stdio: 'inherit' })
  npx('--version')
  return runs.some((run) => npx(...mocha, ...run).status !== 0)
})
console.log(failed.length === 0 ? `passed on Node ${versions.join(', ')}` : `failed on Node ${failed.join(', ')}`)
process.exit(failed.length)
