import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import { constants } from 'node:http2'
import Koa from 'koa'
import { onceLeft } from '../../src/koa/connection.js'
import { turn, until } from '../support/gate.js'
import { askHttp2, serveHttp2 } from '../support/serve-http2.js'

describe('onceLeft()', () => {
  for (const method of ['GET', 'HEAD']) {
    it(`${method} over HTTP/2: tells once of a client that leaves, and leaves nothing behind where it is stopped`, async () => {
      const told: string[] = []
      const listeners: number[] = []
      const app = new Koa()
      app.use((ctx) => {
        ctx.respond = false
        const { res } = ctx
        const { stream } = res as unknown as { stream: EventEmitter }
        const count = () => listeners.push(stream.listenerCount('close') + res.listenerCount('close'))
        count()
        const stop = onceLeft(ctx, () => told.push('stopped'))
        onceLeft(ctx, () => told.push('left'))
        count()
        stop()
        count()
      })
      const served = await serveHttp2(app)
      try {
        const asking = askHttp2(await served.connect(), { ':path': '/', ':method': method })
        await until(() => listeners.length === 3)
        const [before = 0] = listeners
        assert.deepEqual(listeners, [before, before + 2, before + 1])
        asking.stream.close(constants.NGHTTP2_CANCEL)
        await until(() => told.length > 0)
        await turn()
        assert.deepEqual(told, ['left'])
      } finally {
        await served.close()
      }
    })
  }
})
