import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A script in TypeScript as one that any Node can begin a thread or a process with, the library's sources in it. On some
 * Nodes a thread's own script cannot be TypeScript, whatever was imported before.
 */
export async function program(file: URL | string): Promise<URL> {
  const path = fileURLToPath(file)
  const outfile = `${root}.cache/programs/${path.slice(root.length).replace(/\W+/g, '-')}.mjs`
  await build({
    entryPoints: [path],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    tsconfig: `${root}tsconfig.json`,
    logLevel: 'silent',
  })
  return pathToFileURL(outfile)
}
