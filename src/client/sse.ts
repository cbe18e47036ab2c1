import { FOREVER } from './clock.js'
import { eventStream } from './event-stream.js'
import type { Batch } from './message.js'
import { type Asking, read, refuse, request } from './request.js'
import { CHANNELS, EVENT_STREAM, GAP } from './wire.js'

/** What keeps a stream back lets nothing through for so many milliseconds, not even the place that comes first. */
const FIRST_CHUNK = 3_000

/** The code of the error when it did. */
export const SILENT = 'ERR_STREAM_SILENT'

/**
 * One stream, until it ends: each event is told with the cursor behind it.
 *
 * @param room called after each piece of it; what it returns is waited for before more is read
 */
export async function sse<T>(
  asking: Asking,
  receive: (batch: Batch<T>) => void,
  room: () => Promise<void>,
): Promise<void> {
  const { alive, quiet } = asking
  const response = await request(asking, EVENT_STREAM, () => alive(FIRST_CHUNK, SILENT))
  const type = response.headers.get('content-type')
  if (!type?.startsWith(EVENT_STREAM)) refuse(type)
  let named = false
  const feed = eventStream(({ id: cursor, event, data, '': comment }) => {
    named ||= comment === CHANNELS
    if (!cursor) return
    const gap = event === GAP
    const value = data && JSON.parse(data)
    const said = { ...(event && { event }), ...(named ? value : { data: value }) }
    // the cursor has a place in each channel, written as name and value
    const places = new URLSearchParams(cursor.replaceAll(',', '&').replaceAll(':', '='))
    const message = { id: places.get(said.channel) ?? cursor, ...said }
    receive({ cursor, messages: gap || !data ? [] : [message], gap })
  })
  await read(response, async (text) => {
    alive(FOREVER)
    feed(text)
    await room()
    alive(quiet)
  })
}
