import type { After, Log, Reading } from 'koa-continuation'

export interface Following {
  /** Resolves when it has read all there was. */
  readonly begun: Promise<void>
  stop(): void
}

/** Milliseconds after which it tries again, where the log is away. */
const AGAIN = 1_000

/** Reads a channel of a log as it grows, by whomever, until it is stopped. */
export function follow(log: Log, channel: string, after: After, take: (reading: Reading) => void): Following {
  let place = after
  let isReading = false
  let isDue = false
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let unhang: (() => void) | undefined
  let begin = (): void => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })

  const readOn = async (): Promise<void> => {
    isDue = true
    if (isReading) return
    isReading = true
    try {
      unhang ??= await log.tail(channel, readOn)
      while (isDue && !isStopped) {
        isDue = false
        const reading = await log.read(channel, place)
        place = reading.next
        if (!isStopped) take(reading)
      }
      begin()
    } catch {
      if (!isStopped) timer = setTimeout(readOn, AGAIN)
    }
    isReading = false
    if (isStopped) unhang?.()
  }
  void readOn()
  return {
    begun,
    stop() {
      isStopped = true
      clearTimeout(timer)
      unhang?.()
    },
  }
}
