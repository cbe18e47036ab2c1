import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const programs = new Map<string, Promise<URL>>()

/**
 * A script in TypeScript as one that any Node can begin a thread or a process with, the library's sources in it. On some
 * Nodes a thread's own script cannot be TypeScript, whatever was imported before.
 */
export function program(file: URL): Promise<URL> {
  const path = fileURLToPath(file)
  const known = programs.get(path) ?? bundle(path)
  programs.set(path, known)
  return known
}

async function bundle(path: string): Promise<URL> {
  const outfile = `${root}.cache/programs/${path.slice(root.length).replace(/\W+/g, '-')}.mjs`
  const { outputFiles } = await build({
    entryPoints: [path],
    outfile,
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    tsconfig: `${root}tsconfig.json`,
    logLevel: 'silent',
  })
  // never half there, for whoever begins with it at the same time
  const draft = `${outfile}.${process.pid}`
  await mkdir(dirname(outfile), { recursive: true })
  await writeFile(draft, outputFiles[0]?.contents ?? '')
  await rename(draft, outfile)
  return pathToFileURL(outfile)
}
