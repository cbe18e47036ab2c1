// Uses the package as a new user would: packs it, installs the tarball in an empty folder beside Koa 3 and beside Koa 2, and
// runs the README's first app from ES modules, CommonJS and TypeScript, with every entry of the package loaded and type-checked
// against the oldest and the newest types of Node. Then asks publint and attw what they think of it.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

function run(command, args, cwd) {
  const { status, stdout } = spawnSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status === 0) return stdout
  console.error(stdout)
  throw new Error(`${command} ${args.join(' ')} ended with ${status}`)
}

const work = mkdtempSync(join(tmpdir(), 'koa-continuation-'))
try {
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], root),
  )
  const tarball = join(work, filename)
  for (const koa of ['3', '2']) await tryWith(koa, tarball)
  console.log(run('npx', ['publint', '--strict', tarball], root).trim())
  console.log(run('npx', ['attw', tarball], root).trim())
} finally {
  rmSync(work, { recursive: true })
}

async function tryWith(koa, tarball) {
  const project = mkdtempSync(join(work, `koa-${koa}-`))
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  const own = [`koa@${koa}`, tarball, '@koa/router', 'piscina@5', 'redis@6']
  // the types of the oldest Node with the older Koa, and the newest of both
  const types = ['typescript@5', `@types/node@${koa === '2' ? '20' : 'latest'}`, `@types/koa@${koa}`]
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...own, ...types], project)

  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, esm] = /## A first app[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme)
  const [, head] = /In CommonJS only the first lines differ:\s*```js\n([\s\S]*?)```/.exec(readme)
  const commonjs = head + esm.replace(/^import .*\n/gm, '')
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'false']

  writeFileSync(join(project, 'app.mjs'), esm)
  writeFileSync(join(project, 'app.cjs'), commonjs)
  writeFileSync(join(project, 'typed.mts'), esm)
  writeFileSync(join(project, 'typed-commonjs.cts'), esm)
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'))
  const all = entries.map((entry, n) => `export * as entry${n} from '${name}${entry.slice(1)}'\n`)
  writeFileSync(join(project, 'entries.mts'), all.join(''))
  run('npx', ['tsc', ...options, 'typed.mts', 'typed-commonjs.cts', 'entries.mts'], project)
  // what "module": "commonjs" means by itself: it knows no `exports`, and no default of what has none
  const old = ['--module', 'commonjs', '--moduleResolution', 'node10', '--skipLibCheck', '--noEmit']
  const use = `import Koa = require('koa')
import { continuations } from '${name}'
new Koa().use(continuations()).use(async (ctx) => ctx.continuation.wait())
`
  writeFileSync(join(project, 'old.ts'), all.join('') + use)
  for (const interop of ['false', 'true']) {
    run('npx', ['tsc', '--strict', '--target', 'es2022', ...old, '--esModuleInterop', interop, 'old.ts'], project)
  }
  run(process.execPath, ['entries.mjs'], project)
  for (const file of ['app.mjs', 'app.cjs', 'typed.mjs', 'typed-commonjs.cjs']) {
    await serves(project, file)
    console.log(`Koa ${koa}, ${file}: two subscribers got what was published`)
  }
}

/** Starts the app on its port, holds two subscribers, publishes, and looks at what they got. */
async function serves(project, file) {
  const url = 'http://127.0.0.1:3000'
  const server = spawn(process.execPath, [file], { cwd: project, stdio: 'inherit' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    const listening = async () => (await fetch(`${url}/nothing`)).status === 404
    while (!(await listening().catch(() => false))) {
      if (server.exitCode !== null) throw new Error(`${file} ended by itself, with ${server.exitCode}`)
    }
    const subscribers = [fetch(`${url}/subscribe`), fetch(`${url}/subscribe`)]
    const got = Promise.all(subscribers.map(async (answer) => (await answer).text()))
    // until both are there nobody knows but the server: publish until both have got it
    let both
    got.then(
      (texts) => {
        both = texts
      },
      (error) => {
        both = [error]
      },
    )
    while (both === undefined) {
      const published = await fetch(`${url}/publish?message=hello`, { method: 'POST' })
      if ((await published.text()) !== 'ok') throw new Error('published, and the answer was not ok')
    }
    if (both.join() !== 'hello,hello') throw new Error(`the subscribers got ${both}`)
  } finally {
    server.kill()
    await ended
  }
}
