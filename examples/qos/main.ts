import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { gracefulShutdown } from 'koa-continuation'
import { qos } from 'koa-continuation/qos'
import { createApp, type Pictures } from './app.js'
import { headings, rush, shown } from './rush.js'

const limit = qos({ maxRequests: 2, maxSuspended: 500 })
const port = Number(process.env['PORT'] ?? 3000)

async function listen(pictures: Pictures, port: number): Promise<{ url: string; shutdown: () => Promise<void> }> {
  const server = pictures.app.listen(port, '127.0.0.1')
  const shutdown = gracefulShutdown(server, { drain: limit, timeout: 2_000, close: () => process.stdin.destroy() })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, shutdown }
}

async function main(): Promise<void> {
  const limited = createApp([limit])
  const plain = createApp()
  const [withQos, without] = [await listen(limited, port), await listen(plain, port === 0 ? 0 : port + 1)]
  console.log(`The same app draws pictures at both of these:

  ${withQos.url}/pictures/1   with app.use(qos({ maxRequests: 2 }))
  ${without.url}/pictures/1   without

Press Enter for a rush: 100 want a picture at once, and none of them waits for longer than 1.5 s
`)

  for await (const _ of createInterface({ input: process.stdin })) {
    const options = { clients: 100, patience: 1_500 }
    console.log(headings)
    console.log(shown('without qos()', await rush(plain, { ...options, url: without.url })))
    console.log(shown('with qos()', await rush(limited, { ...options, url: withQos.url })))
    console.log()
  }
}

main().catch((error: Error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
})
