import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'
import { settings, usage } from './settings.js'
import { duration } from './table.js'
import { runTerminal } from './terminal.js'

async function main(): Promise<void> {
  const { port, timeout, help } = settings()
  if (help) {
    process.stdout.write(usage)
    return
  }

  const hanging = createApp({ timeout })
  const server = hanging.app.listen(port, '127.0.0.1')
  const shutdown = gracefulShutdown(server, { drain: hanging, signals: [] })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Every request to ${url} hangs ${timeout === 0 ? 'for ever' : `for up to ${duration(timeout)}`}

Let one hang in another terminal, then type  respond  here; help lists the commands:

  curl ${url}/respond
`)

  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  if (hasInput()) await runTerminal(hanging, { input: process.stdin, output: process.stdout, signal: stop.signal })
  else await once(stop.signal, 'abort')

  process.stdin.destroy()
  await shutdown()
}

/** Where the input is /dev/null, nobody types and nobody has had enough: a signal ends it. */
function hasInput(): boolean {
  return process.stdin.isTTY || !fstatSync(0).isCharacterDevice()
}

main().catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 1
})
