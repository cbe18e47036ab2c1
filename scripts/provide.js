// What the specs need beside npm's packages comes from Debian: installed where that is allowed, else said aloud.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const needs = [{ program: '/usr/bin/chromium', debian: 'chromium', without: 'the specs of the pages are left out' }]

export function provide() {
  const missing = needs.filter(({ program }) => !existsSync(program))
  if (missing.length === 0) return
  const names = missing.map(({ debian }) => debian)
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log(`Installing ${names.join(', ')} from Debian …`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const aptGet = (...args) => spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    aptGet('update')
    aptGet('install', '-y', '--no-install-recommends', ...names)
  }
  for (const { program, debian, without } of needs) {
    if (!existsSync(program)) console.log(`\n!! ${program} is missing (Debian's package ${debian}): ${without}\n`)
  }
}
