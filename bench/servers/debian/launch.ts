import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFiles } from '../../support/machine.js'
import type { Launch, Way } from '../../ways.js'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Of an installed package; without what Debian adds to it. */
function versionOf(name: string): string | undefined {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '$' + '{Status} $' + '{Version}', name], {
    encoding: 'utf8',
  })
  if (status !== 0 || !stdout.startsWith('install ok installed')) return undefined
  return stdout.slice('install ok installed '.length).replace(/^\d+:|[-+].*$/g, '')
}

const from = (packages: readonly string[], name: string, command: Launch['command']): Launch => ({
  packages,
  get version() {
    return `${name} ${versionOf(packages[0] as string)}`
  },
  command,
})

const python = (file: string): Launch['command'] => {
  // Debian's own, which has Debian's packages; another Python may come first in PATH
  return ({ port, timeout }) => ['/usr/bin/python3', here(file), String(port), String(timeout)]
}

const jetty = from(['libjetty9-java', 'default-jdk-headless'], 'Jetty', ({ port, timeout, folder }) => {
  const jars = ['continuation', 'http', 'io', 'security', 'server', 'servlet', 'util', 'util-ajax']
  const path = [...jars.map((jar) => `/usr/share/java/jetty9-${jar}.jar`), '/usr/share/java/servlet-api.jar'].join(':')
  run('javac', '-cp', path, '-d', folder, here('jetty/Hold.java'))
  return ['java', '-Dorg.eclipse.jetty.LEVEL=WARN', '-cp', `${path}:${folder}`, 'Hold', String(port), String(timeout)]
})

const nchan = from(['libnginx-mod-nchan', 'nginx'], 'nchan', ({ port, timeout, folder }) => {
  const filled = {
    port,
    folder,
    files: openFiles - 10,
    user: process.getuid?.() === 0 ? 'user root;' : '',
    seconds: timeout / 1000,
  }
  const template = readFileSync(here('nginx.conf'), 'utf8')
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    template.replace(/\{(port|folder|files|user|seconds)\}/g, (_, name: keyof typeof filled) => `${filled[name]}`),
  )
  return ['/usr/sbin/nginx', '-c', file, '-p', folder, '-e', 'stderr']
})

const mochiweb = (...how: string[]): Launch =>
  from(['erlang-mochiweb', 'erlang-inets', 'erlang-base'], 'MochiWeb', ({ port, timeout, folder }) => {
    run('erlc', '-o', folder, here('mochiweb/hold.erl'))
    const args = [port, timeout, ...how].map((arg) => JSON.stringify(String(arg)))
    // one scheduler for its one core, which sleeps when it has nothing to do, as the others do
    const options = ['+S', '1:1', '+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none', '-noinput']
    return ['erl', ...options, '-pa', folder, '-eval', `hold:main([${args.join(',')}])`]
  })

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

const workloads = ['broadcast', 'keys', 'burst', 'chat'] as const
const peer = (name: string, title: string, launch: Launch, dialect: Way['dialect'] = 'poll'): Way => ({
  name,
  title,
  group: 'debian',
  dialect,
  workloads,
  launch,
})

/** What Debian has of other systems that hold requests. */
export const debian: readonly Way[] = [
  peer('nchan', 'nginx with nchan', nchan, 'nchan'),
  peer('jetty', 'Jetty 9, its own continuations', jetty),
  peer('tornado', 'Tornado, `locks.Condition`', from(['python3-tornado'], 'Tornado', python('tornado_server.py'))),
  peer('twisted', 'Twisted', from(['python3-twisted'], 'Twisted', python('twisted_server.py'))),
  peer('mochiweb', 'MochiWeb', mochiweb()),
  peer('mochiweb-hibernate', 'MochiWeb, hibernating', mochiweb('hibernate')),
]

/** Sees to it that what these need is installed. Says aloud who has to be left out, and leaves those out. */
export function installed(wanted: readonly Way[], say: (line: string) => void): Way[] {
  const missing = new Set(
    wanted.flatMap(({ launch }) => launch?.packages ?? []).filter((name) => versionOf(name) === undefined),
  )
  if (missing.size > 0) {
    say(`installing from Debian: ${[...missing].join(' ')}`)
    // packages of servers start them where they may: not here
    const env = { ...process.env, RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (...args: string[]): boolean => spawnSync('apt-get', ['-y', '-qq', ...args], { env }).status === 0
    for (const name of missing) {
      const done =
        apt('install', '--no-install-recommends', name) ||
        (apt('update') && apt('install', '--no-install-recommends', name))
      if (!done) say(`cannot install ${name} here (that takes Debian, and root)`)
    }
  }
  return wanted.filter(({ name, launch }) => {
    const without = launch?.packages.filter((needed) => versionOf(needed) === undefined) ?? []
    if (without.length > 0) say(`LEFT OUT: ${name}, without ${without.join(', ')}`)
    return without.length === 0
  })
}
