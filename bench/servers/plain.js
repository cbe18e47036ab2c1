// A plain route that never touches ctx.continuation, with or without continuations() above it.
import Router from '@koa/router'
import Koa from 'koa'
import { continuations } from 'koa-continuation'
import { answer, cpu } from '../support/answer.js'

const app = new Koa()
if (process.argv[2] === 'with') app.use(continuations())

const router = new Router()
router.get('/users/:id', (ctx) => {
  ctx.body = { id: ctx.params.id, name: 'Ada Lovelace', roles: ['reader', 'writer'], active: true }
})
app.use(router.routes())

const server = app.listen(0, '127.0.0.1')
const listening = new Promise((resolve) => server.once('listening', () => resolve(server.address().port)))

answer({ port: () => listening, cpu })
