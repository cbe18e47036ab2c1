// Holds every GET /hold until a POST /publish, and answers GET /probe at once. How it holds, the first argument says:
// `continuation`, by this package; `koa`, a Koa handler that awaits a promise; `http`, node:http with each response kept
// in a Set. The second argument is how many milliseconds of processor time the handler spends on each answer.
import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Koa from 'koa'
import { ContinuationManager, continuations } from 'koa-continuation'
import { answer, cpu } from '../support/answer.js'

const [way, burn] = [process.argv[2], Number(process.argv[3])]

/** Milliseconds that the last publish kept everybody else waiting by itself. */
let publishing = 0

function timed(publish) {
  const begun = performance.now()
  const woken = publish()
  publishing = performance.now() - begun
  return String(woken)
}

/** What the handler does for its answer. */
function work(message) {
  for (const end = cpu() + burn * 1000; cpu() < end; );
  return message
}

const ways = {
  continuation() {
    const clients = new ContinuationManager()
    const app = new Koa().use(continuations()).use((ctx) => {
      const { continuation } = ctx
      if (ctx.path === '/probe') ctx.body = 'here'
      else if (ctx.path === '/publish') ctx.body = timed(() => clients.broadcast({ message: 'news' }))
      else if (continuation.isInitial()) {
        continuation.suspend()
        clients.stash(continuation)
      } else ctx.body = work(continuation.getAttribute('message'))
    })
    return { callback: app.callback(), held: () => clients.size }
  },

  koa() {
    let clients = []
    const app = new Koa().use(async (ctx) => {
      if (ctx.path === '/probe') ctx.body = 'here'
      else if (ctx.path === '/publish') {
        ctx.body = timed(() => {
          const woken = clients
          clients = []
          for (const wake of woken) wake('news')
          return woken.length
        })
      } else ctx.body = work(await new Promise((resolve) => clients.push(resolve)))
    })
    return { callback: app.callback(), held: () => clients.length }
  },

  http() {
    const clients = new Set()
    function callback(req, res) {
      if (req.url === '/probe') res.end('here')
      else if (req.url === '/publish') {
        const receipt = timed(() => {
          const woken = [...clients]
          clients.clear()
          for (const res of woken) res.end(work('news'))
          return woken.length
        })
        res.end(receipt)
      } else clients.add(res)
    }
    return { callback, held: () => clients.size }
  },
}

const { callback, held } = ways[way]()
const server = createServer({ keepAliveTimeout: 0 }, callback)
const listening = new Promise((resolve) =>
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve(server.address().port)),
)
const delay = monitorEventLoopDelay({ resolution: 1 })

answer({
  port: () => listening,
  held,
  /** Begins to watch the event loop. */
  watch() {
    delay.reset()
    delay.enable()
    return cpu()
  },
  /** Ends it: microseconds of processor time so far, the longest delay and the publish itself in milliseconds. */
  unwatch() {
    delay.disable()
    return { cpu: cpu(), longest: delay.max / 1e6, publishing }
  },
})
