import assert from 'node:assert/strict'
import Koa from 'koa'
import { Chunk, type Full, writeChunk } from '../../src/koa/chunk.js'
import { type Served, serve } from '../support/serve.js'

describe('a piece of a response that many get', () => {
  let served: Served
  afterEach(() => served.close())

  async function written(write: (res: Koa.Context['res']) => void): Promise<string> {
    const app = new Koa().use((ctx) => {
      ctx.respond = false
      ctx.res.write('begun ')
      // until then Node keeps back what is written, to send it as one
      setImmediate(() => {
        write(ctx.res)
        ctx.res.end('ended')
      })
    })
    served = await serve(app)
    return (await served.get('/')).body
  }

  it('is framed once, by its length in bytes', async () => {
    const chunk = new Chunk('zwölf ')
    assert.equal(String(chunk.framed), '7\r\nzwölf \r\n')
    assert.equal(chunk.framed, chunk.framed)
    assert.equal(await written((res) => assert.equal(writeChunk(res, chunk), undefined)), 'begun zwölf ended')
  })

  it('one without bytes does not end the response', async () => {
    assert.equal(await written((res) => assert.equal(writeChunk(res, new Chunk('')), undefined)), 'begun ended')
  })

  it('says what takes nothing more', async () => {
    // more than the system's buffers take at once
    const large = new Chunk('x'.repeat(12_000_000))
    const full: (Full | undefined)[] = []
    let response: Koa.Context['res'] | undefined
    let socket: unknown
    const body = await written((res) => {
      response = res
      socket = res.socket
      full.push(writeChunk(res, large))
      const { write } = res
      res.write = ((bytes: Buffer) => write.call(res, bytes, 'utf8')) as typeof write
      full.push(writeChunk(res, large))
    })
    assert.equal(body.length, 'begun ended'.length + 24_000_000)
    assert.deepEqual([full[0] === socket, full[1] === response], [true, true])
  })
})
