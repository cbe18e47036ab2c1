import type { Readable } from 'node:stream'

/** As far as it is one: what can be piped is a stream to Koa. */
type Stream = Partial<
  Pick<Readable, 'pipe' | 'on' | 'off' | 'destroy' | 'destroyed' | 'closed' | 'listenerCount' | 'rawListeners'>
>

/** It is a stream, and an error of it would end the process. */
export function isUnheardStream(body: unknown): body is Stream {
  const stream = body as Stream | null | undefined
  return typeof stream?.pipe === 'function' && stream.listenerCount?.('error') === 0
}

/** It is a stream of which nothing comes any more. */
export function isOver(body: unknown): boolean {
  const stream = body as Stream | null | undefined
  return typeof stream?.pipe === 'function' && stream.destroyed === true
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
  forgetKoa(stream)
  hearStream(stream, () => {})
  stream.destroy()
}

/** Koa 2 answers with the error of a stream that was the body once, whatever is the body by then. */
function forgetKoa(stream: Stream): void {
  for (const heard of stream.rawListeners?.('error') ?? []) {
    const { listener = heard } = heard as { listener?: unknown }
    // it has no name to be known by; what it calls tells
    if (/^[^{]*=>\s*this\.ctx\.onerror\(/.test(String(listener))) stream.off?.('error', heard as () => void)
  }
}
