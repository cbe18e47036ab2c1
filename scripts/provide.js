// What the specs need beside npm's packages comes from Debian: installed where that is allowed, else said aloud.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const needs = [
  {
    program: '/usr/bin/chromium',
    isThere: () => existsSync('/usr/bin/chromium'),
    debian: 'chromium',
    without: 'the specs of the pages are left out',
  },
  {
    program: 'redis-server',
    isThere: () => spawnSync('redis-server', ['--version']).status === 0,
    debian: 'redis-server',
    without: 'the specs of logs in Redis are left out',
  },
]

export function provide() {
  const missing = needs.filter(({ isThere }) => !isThere())
  if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    // the specs start servers of their own: Debian's need not run
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    const aptGet = (...args) => spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    aptGet('update')
    for (const { debian } of missing) {
      console.log(`Installing ${debian} from Debian …`)
      aptGet('install', '-y', '--no-install-recommends', debian)
    }
  }
  for (const { program, isThere, debian, without } of missing) {
    if (!isThere()) console.log(`\n!! ${program} is missing (Debian's package ${debian}): ${without}\n`)
  }
}
