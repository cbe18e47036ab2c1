import { parseArgs } from 'node:util'
import { serve, type Way, ways } from './serve.js'
import { runTerminal } from './terminal.js'

const usage = `Usage: npm run chat -- [options]

Opens a chat room:
  --serve <way>      loop (default), threads, processes, redis
  --workers <n>      how many threads, processes or servers; default 2
  --redis <url>      default redis://127.0.0.1:6379
  --port <n>         default 3000

Comes into one that is open:
  --name <name>      who you are
  --url <url>        where it is; default http://127.0.0.1:3000
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      serve: { type: 'string', default: 'loop' },
      workers: { type: 'string', default: '2' },
      redis: { type: 'string', default: 'redis://127.0.0.1:6379' },
      port: { type: 'string', default: process.env['PORT'] ?? '3000' },
      name: { type: 'string' },
      url: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { name, url = `http://127.0.0.1:${values.port}` } = values
  if (values.help) process.stdout.write(usage)
  else if (name !== undefined) await visit(origin(url), name)
  else {
    const way = values.serve as Way
    if (!ways.includes(way)) throw new Error(`--serve takes ${ways.join(', ')}: got ${values.serve}\n\n${usage}`)
    await open(way, {
      port: whole('port', values.port, 0),
      workers: whole('workers', values.workers, 1),
      redis: values.redis,
    })
  }
}

async function open(way: Way, options: { port: number; workers: number; redis: string }): Promise<void> {
  const { port, stop } = await serve(way, options)
  const url = `http://127.0.0.1:${port}`
  const many =
    way === 'loop' ? 'in one event loop' : `in ${options.workers} ${way === 'redis' ? 'servers over Redis' : way}`
  console.log(`The room is open on ${url}, ${many}

Open it in a browser, or come in from other terminals:

  npm run chat -- --name Ann${port === 3000 ? '' : ` --url ${url}`}
`)
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (isStopping) process.exit(1)
      isStopping = true
      await stop()
    })
  }
}

async function visit(url: string, name: string): Promise<void> {
  const leave = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => leave.abort())
  await runTerminal({ url, name, input: process.stdin, output: process.stdout, signal: leave.signal })
  process.stdin.destroy()
}

/** Of an address as a browser shows it, with whatever stands behind the host. */
function origin(url: string): string {
  const { protocol, origin } = URL.canParse(url) ? new URL(url) : { protocol: '', origin: '' }
  if (protocol === 'http:' || protocol === 'https:') return origin
  throw new Error(`--url takes an address, as http://127.0.0.1:3000: got ${url}`)
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least) throw new Error(`--${name} takes a number from ${least}: got ${text}`)
  return value
}

main().catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 1
})
