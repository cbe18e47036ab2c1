// Koa with an EventEmitter, and server-sent events written by hand.
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { bareKoa } from '../bare-koa.js'

export function attach(server) {
  const messages = new EventEmitter().setMaxListeners(0)
  let held = 0

  const app = bareKoa({
    hold(ctx) {
      const { key } = ctx.state
      const stream = new PassThrough()
      const send = (message) => stream.write(`event: news\ndata: ${message}\n\n`)
      messages.on(key, send)
      held++
      ctx.res.once('close', () => {
        messages.off(key, send)
        held--
      })
      ctx.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
      ctx.body = stream
      ctx.flushHeaders()
    },
    publish(key, message) {
      messages.emit(key, message)
      return messages.listenerCount(key)
    },
  })
  server.on('request', app.callback())
  return { held: () => held }
}
