// What each way costs, measured: npm run chat:costs -- [--people 500] [--messages 50]. On Linux: it asks /proc.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { type Way, ways } from './serve.js'

const { values } = parseArgs({
  options: { people: { type: 'string', default: '500' }, messages: { type: 'string', default: '50' } },
})
const people = Number(values.people)
const messages = Number(values.messages)
const folder = mkdtempSync(join(tmpdir(), 'chat-costs-'))
const redisUrl = `unix://${folder}/redis.sock`
const columns = [
  'way',
  'processes',
  'MB, empty',
  `MB, ${people} people`,
  'sockets',
  'Redis: MB',
  'connections',
  'ms to all, median',
  'longest',
]

console.log(`Node ${process.version}, ${people} people with a stream each, ${messages} messages one after the other\n`)
console.log(`| ${columns.join(' | ')} |\n| ${columns.map((_, n) => (n === 0 ? '---' : '---:')).join(' | ')} |`)
for (const way of ways) console.log(`| ${[way, ...(await costsOf(way))].join(' | ')} |`)
rmSync(folder, { recursive: true, force: true })

async function costsOf(way: Way): Promise<string[]> {
  const redis = way === 'redis' ? await startRedis() : undefined
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const server = spawn(process.execPath, ['--import', 'tsx', main, '--serve', way, '--redis', redisUrl], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await urlOf(server)
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  // what is made for the first requests is there
  for (let n = 0; n < 10; n++) await ask(url, 'GET', '/people', { agent })
  await rest()
  const nodes = family(server.pid as number)
  const empty = memoryOf(nodes)

  const crowd = await comeIn(url, agent)
  await rest()
  const full = memoryOf(nodes)
  const sockets = nodes.reduce((sum, pid) => sum + socketsOf(pid), 0)
  const times: number[] = []
  for (let n = 0; n < messages; n++) times.push(await crowd.talk())
  times.sort((one, other) => one - other)
  const ofRedis =
    redis === undefined ? ['', ''] : [memoryOf([redis.pid as number]).toFixed(0), await redisConnections()]

  crowd.leave()
  agent.destroy()
  for (const child of redis === undefined ? [server] : [server, redis]) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const [half, longest] = [times[messages >> 1] as number, times.at(-1) as number]
  const sizes = [empty, full].map((megabytes) => megabytes.toFixed(0))
  return [String(nodes.length), ...sizes, String(sockets), ...ofRedis, half.toFixed(1), longest.toFixed(1)]
}

/** Everybody comes in, and follows by a stream. One of them talks. */
async function comeIn(url: string, agent: Agent): Promise<{ talk(): Promise<number>; leave(): void }> {
  const keyOf = (n: number): string => `key-of-somebody-${n}`
  const streams: IncomingMessage[] = []
  let heard = 0
  let allHeard = (): void => {}
  for (let n = 0; n < people; n++) {
    const { cursor } = JSON.parse(await ask(url, 'POST', '/people', { agent, key: keyOf(n), body: { name: `${n}` } }))
    const headers = { 'x-key': keyOf(n), accept: 'text/event-stream' }
    const stream = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${url}/room?cursor=${cursor}`, { agent: false, headers }, resolve).on('error', reject).end()
    })
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      for (const _ of chunk.matchAll(/^event: say$/gm)) if (++heard === people) allHeard()
    })
    stream.on('error', () => {})
    streams.push(stream)
  }
  return {
    async talk() {
      heard = 0
      const all = new Promise<void>((resolve) => {
        allHeard = resolve
      })
      const began = performance.now()
      await Promise.all([all, ask(url, 'POST', '/messages', { agent, key: keyOf(0), body: { text: 'x'.repeat(80) } })])
      return performance.now() - began
    },
    leave() {
      for (const stream of streams) stream.destroy()
    },
  }
}

async function ask(
  url: string,
  method: string,
  path: string,
  { agent, key = '', body }: { agent: Agent; key?: string; body?: object },
): Promise<string> {
  const headers = { 'x-key': key, 'content-type': 'application/json' }
  const sent = request(url + path, { method, agent, headers }).end(body && JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return text(response)
}

async function urlOf({ stdout }: ChildProcess): Promise<string> {
  let printed = ''
  for (;;) {
    const [, url] = /open on (http:\S+),/.exec(printed) ?? []
    if (url !== undefined) return url
    if (stdout === null) throw new Error('It says nothing')
    const [chunk] = await once(stdout, 'data')
    printed += chunk
  }
}

async function startRedis(): Promise<ChildProcess> {
  const settings = ['--port', '0', '--unixsocket', `${folder}/redis.sock`, '--save', '', '--dir', folder]
  const redis = spawn('redis-server', settings, { stdio: 'ignore' })
  while (!readdirSync(folder).includes('redis.sock')) await new Promise((resolve) => setTimeout(resolve, 20))
  return redis
}

async function redisConnections(): Promise<string> {
  const client = await createClient({ url: redisUrl }).connect()
  const list = String(await client.sendCommand(['CLIENT', 'LIST']))
  client.destroy()
  return String(list.trim().split('\n').length - 1)
}

/** The process and all that came of it, as far as they are Node. */
function family(pid: number): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const children = all.filter((one) => field(one, 'stat', /\) \S+ (\d+)/) === String(pid))
  const own = field(String(pid), 'comm', /^(node|MainThread)/) === undefined ? [] : [pid]
  return [...own, ...children.flatMap((child) => family(Number(child)))]
}

/** In megabytes; what they share is counted once. */
function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(field(String(pid), 'smaps_rollup', /^Pss: +(\d+)/m)) / 1024, 0)
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

function field(pid: string, file: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

/** Until garbage has been collected, more or less. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000))
}
