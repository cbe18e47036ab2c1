import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const entry = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))

describe('the client, bundled for a page', () => {
  it('is at most 4 KB, minified and gzipped, and needs nothing of Node', async () => {
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      write: false,
      logLevel: 'silent',
    })
    const { length } = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 })
    assert.ok(length > 1_000 && length <= 4_096, `${length} bytes`)
  })
})
