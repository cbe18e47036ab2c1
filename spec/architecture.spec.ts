import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** Which rooms a room may import, and whether it may import from outside of the package. */
const may: Record<string, { rooms: string[]; outside: RegExp }> = {
  core: { rooms: [], outside: /^$/ },
  koa: { rooms: ['core'], outside: /^(node:|koa$|koa-compose$)/ },
  manager: { rooms: ['core'], outside: /^$/ },
  channel: { rooms: ['koa', 'manager', 'log'], outside: /^koa$/ },
  hold: { rooms: ['core', 'koa'], outside: /^koa$/ },
  flow: { rooms: ['koa', 'manager'], outside: /^(node:|koa$|piscina$)/ },
  relay: { rooms: ['core', 'manager', 'log'], outside: /^$/ },
  client: { rooms: [], outside: /^$/ },
  log: { rooms: ['core'], outside: /^(node:(assert\/strict|child_process|cluster|worker_threads)|redis)$/ },
}

function* files(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) yield* files(path)
    else yield path
  }
}

function imports(path: string): string[] {
  const text = readFileSync(path, 'utf8')
  const statements = /^(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,]+?\s+from\s+)?'([^']+)'$/gm
  return [...text.matchAll(statements)].map((match) => match[1] as string)
}

describe('the rooms of src/', () => {
  it('are these', () => {
    assert.deepEqual(readdirSync(src).sort(), [...Object.keys(may), 'index.ts'].sort())
  })

  for (const path of files(src)) {
    const file = relative(src, path)
    const [room] = file.split('/') as [string]
    it(`${file} imports only what its room may`, () => {
      for (const specifier of imports(path)) {
        if (specifier.startsWith('.')) {
          const [target] = relative(src, join(path, '..', specifier)).split('/') as [string]
          if (room === 'index.ts' || target === room) continue
          // the names of the wire, which imports nothing, are for both of its ends
          if (room === 'channel' && /\/client\/wire\.js$/.test(specifier)) continue
          assert.ok(may[room]?.rooms.includes(target), `${file} imports ${specifier}`)
        } else assert.match(specifier, may[room]?.outside ?? /^$/, `${file} imports ${specifier}`)
      }
    })
    it(`${file} is short enough to be one idea`, () => {
      const lines = readFileSync(path, 'utf8').split('\n')
      const code = lines.filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length
      assert.ok(code <= 280, `${file} has ${code} lines of code`)
    })
  }

  it('types of Koa are taken from its namespace: a default it has only for those who compile with esModuleInterop', () => {
    for (const path of files(src)) assert.doesNotMatch(readFileSync(path, 'utf8'), /^import type \w+ from 'koa'/m, path)
  })

  it('index.ts re-exports, and nothing else', () => {
    const text = readFileSync(join(src, 'index.ts'), 'utf8')
    assert.equal(text.replace(/^(import '[^']+'|export (type )?\{[^}]*\} from '[^']+')$/gm, '').trim(), '')
  })
})
