import type { Readable } from 'node:stream'

/** As far as it is one: what can be piped is a stream to Koa. */
type Stream = Partial<Pick<Readable, 'pipe' | 'on' | 'off' | 'destroy' | 'closed' | 'listenerCount'>>

/** It is a stream, and an error of it would end the process. */
export function isUnheardStream(body: unknown): body is Stream {
  const stream = body as Stream | null | undefined
  return typeof stream?.pipe === 'function' && stream.listenerCount?.('error') === 0
}

/** Calls `failed` for an error of a stream. Once that is closed nothing stays on it. */
export function hearStream(stream: Stream, failed: (error: unknown) => void): void {
  if (stream.closed) return
  const stop = (): void => {
    stream.off?.('error', failed)
    stream.off?.('close', stop)
  }
  stream.on?.('error', failed)
  stream.on?.('close', stop)
}

/** A stream that a suspended dispatch had set as its body will not be sent: let go of what it holds. */
export function abandon(body: unknown): void {
  const stream = body as Stream | null | undefined
  if (typeof stream?.pipe !== 'function' || typeof stream.destroy !== 'function') return
  hearStream(stream, () => {})
  stream.destroy()
}
