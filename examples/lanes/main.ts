import type { AddressInfo } from 'node:net'
import { gracefulShutdown } from 'koa-continuation'
import { createApp } from './app.js'
import { openDatabase } from './database.js'
import { createPuppies } from './puppies.js'

const count = 20_000
const database = openDatabase()
console.log(`The database opens, and ${count} puppies move in …`)
await createPuppies(database, count)

const { app, boundary, work } = createApp(database)
const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')

server.on('listening', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  console.log(`Puppies are on ${url}

Open it, or ask from a terminal; while many ask, the status is still answered at once:

  curl '${url}/?energy=90&cuddles=20&noise=60'
  for n in $(seq 60); do curl -so /dev/null -w '%{http_code} after %{time_total} s\\n' ${url}/ & done; sleep 1; curl ${url}/status; wait
`)
})

server.on('error', async (error) => {
  console.error(`Cannot listen: ${error.message}`)
  process.exitCode = 1
  await database.close()
})

gracefulShutdown(server, {
  drain: boundary,
  close: async () => {
    await work.close()
    await database.close()
  },
})
