// Clients of all four kinds, every request of theirs at another worker, while messages are published by all workers, and
// workers are killed, stand still, and where the log lives stands still (the primary, or Redis, which is killed and started
// again too): does every client see every message once and in order?
// `npx tsx spec/soak/faults.ts [threads|processes|redis] [clients] [messages] [rounds] [seconds]`
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { roundRobin } from '../support/round-robin.js'
import { type Got, type Line, receive, type Way } from '../support/wire-clients.js'
import { type Crew, crew, type Kind } from './crew/crew.js'

export type Fault = 'kill' | 'stop' | 'stop log' | 'restart log'

export interface FaultsRun {
  kind: Kind
  workers: number
  clients: number
  messages: number
  faults: Fault[]
  /** Milliseconds that a worker waits for the log. */
  timeout: number
  /** How long somebody stands still. */
  standstill: (acked: () => number) => Promise<void>
  /** How long a client rests before it asks again. */
  pause: () => Promise<void>
}

export interface FaultsTally {
  messages: number
  deliveries: number
  requests: number
  changes: number
  killed: number
  stopped: number
  restarted: number
  /** Published, and the answer was that it is kept. */
  acked: number
  /** Published, and the answer was lost, or that it may be kept. */
  inDoubt: number
  inDoubtKept: number
  /** Published, and the answer was that it is not kept. */
  refused: number
  lost: number
  doubled: number
  outOfOrder: number
  gaps: number
  /** Kept, and yet the answer was that it is not. */
  refusedKept: number
}

interface Outcome {
  readonly n: number
  /** `undefined` where it is in doubt. */
  readonly kept: boolean | undefined
  readonly id?: string
}

export async function faults(run: FaultsRun): Promise<FaultsTally> {
  const { kind, workers, clients, messages, timeout, pause } = run
  const team = await crew(kind, workers, timeout)
  const proxy = await roundRobin(() => team.urls)
  const histories: number[][] = []
  const got: Got[] = []
  const ways: Way[] = ['plain', 'long', 'events', 'lines']
  const receiving = Array.from({ length: clients }, (_, place) => {
    const own: Got = { last: 0, requests: 0, doubled: 0, outOfOrder: 0, gaps: 0 }
    const history: number[] = []
    got.push(own)
    histories.push(history)
    const numberOf = ({ id, data }: Line & { data: { n: number } }): number => {
      history.push(data.n)
      return Number(id?.split('-')[1])
    }
    const headers = { 'x-client': `client ${place}` }
    return receive(proxy.url, ways[place % 4] as Way, messages, pause, own, { numberOf, headers })
  })

  const outcomes: Outcome[] = []
  let last = 0
  let acked = 0
  let n = 0
  const publishing = Array.from({ length: workers }, async (_, worker) => {
    while (last < messages) {
      const outcome = await publish(await team.present(worker), ++n)
      outcomes.push(outcome)
      if (outcome.kept) acked++
      last = Math.max(last, Number(outcome.id?.split('-')[1] ?? 0))
      if (!outcome.kept) await pause()
    }
  })
  const suffered = await suffer(team, run, () => acked)
  await Promise.all([...publishing, ...receiving])

  const answer = await ask('GET', `${await team.present(0)}?cursor=0&wait=0`)
  const history = (JSON.parse(answer.body) as { messages: Line[] }).messages.map(({ data }) => data?.n as number)
  await proxy.close()
  await team.end()

  const kept = new Set(history)
  const count = (of: (outcome: Outcome) => boolean): number => outcomes.filter(of).length
  const sum = (of: (own: Got) => number): number => got.reduce((total, own) => total + of(own), 0)
  const missing = histories.map((own) => history.slice(0, messages).filter((n, place) => own[place] !== n).length)
  return {
    messages: history.length,
    deliveries: sum(({ last }) => last),
    requests: proxy.turns.requests,
    changes: proxy.turns.changes,
    ...suffered,
    acked,
    inDoubt: count(({ kept }) => kept === undefined),
    inDoubtKept: count(({ n, kept: said }) => said === undefined && kept.has(n)),
    refused: count(({ kept }) => kept === false),
    lost: count(({ n, kept: said }) => said === true && !kept.has(n)) + missing.reduce((total, own) => total + own, 0),
    doubled: history.length - kept.size + sum(({ doubled }) => doubled),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    gaps: sum(({ gaps }) => gaps),
    refusedKept: count(({ n, kept: said }) => said === false && kept.has(n)),
  }
}

const nobody = (): number => Number.POSITIVE_INFINITY

/** One fault after the other, evenly over the messages. */
async function suffer(
  team: Crew,
  { workers, messages, faults, standstill, pause }: FaultsRun,
  acked: () => number,
): Promise<{ killed: number; stopped: number; restarted: number }> {
  const suffered = { killed: 0, stopped: 0, restarted: 0 }
  for (const [place, fault] of faults.entries()) {
    while (acked() < (messages * (place + 1)) / (faults.length + 2)) await pause()
    const worker = place % workers
    if (fault === 'kill') {
      suffered.killed++
      await team.kill(worker)
    } else if (fault === 'restart log') {
      suffered.restarted++
      await team.restartLog(() => standstill(nobody))
    } else {
      suffered.stopped++
      const goOn = fault === 'stop' ? team.stop(worker) : team.stopLog()
      await standstill(fault === 'stop' ? acked : nobody)
      goOn()
    }
  }
  return suffered
}

async function publish(url: string, n: number): Promise<Outcome> {
  try {
    const { status, body } = await ask('POST', url, JSON.stringify({ data: { n } }))
    if (status < 300) return { n, kept: true, id: (JSON.parse(body) as { id: string }).id }
    const { error } = JSON.parse(body) as { error: { inDoubt: boolean } }
    return { n, kept: error.inDoubt ? undefined : false }
  } catch {
    return { n, kept: undefined }
  }
}

function ask(method: string, url: string, sent?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, agent: false })
    asking.on('error', reject)
    asking.on('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
    asking.end(sent)
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind = 'processes', clients = '100', messages = '20000', rounds = '3', seconds = '5'] = process.argv.slice(2)
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const ofLog: Fault[] = kind === 'redis' ? ['stop log', 'restart log'] : ['stop log']
  const each: Fault[] = ['kill', 'stop', 'kill', ...ofLog]
  const began = performance.now()
  const tally = await faults({
    kind: kind as Kind,
    workers: 3,
    clients: Number(clients),
    messages: Number(messages),
    faults: Array.from({ length: Number(rounds) }, () => each).flat(),
    timeout: 1_500,
    standstill: () => sleep(Number(seconds) * 1_000),
    pause: () => sleep(5),
  })
  console.log(
    `Node ${process.version}, ${kind}, ${clients} clients of four kinds, ${Math.round(performance.now() - began)} ms`,
  )
  console.table(tally)
  const { lost, doubled, outOfOrder, gaps, refusedKept } = tally
  process.exit(lost + doubled + outOfOrder + gaps + refusedKept === 0 ? 0 : 1)
}
