import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type Koa from 'koa'
import { onceBodyIsHere } from '../../src/koa/body.js'
import { turn } from '../support/gate.js'

describe('onceBodyIsHere', () => {
  it('stops once: a body that flows meanwhile flows on', async () => {
    const body = new PassThrough()
    const stop = onceBodyIsHere(body as unknown as Koa.Context['req'], () => {})
    stop()
    await turn()
    body.resume()
    await turn()
    stop()
    await turn()
    assert.equal(body.readableFlowing, true)
    body.destroy()
  })
})
