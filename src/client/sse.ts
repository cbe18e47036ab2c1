import { createParser } from 'eventsource-parser'
import { ConnectionError } from './errors.js'
import type { Batch } from './message.js'
import { type Asking, request, texts } from './request.js'
import { CHANNELS, EVENT_STREAM, GAP } from './wire.js'

/** What keeps a stream back lets nothing through for so many milliseconds, not even the place that comes first. */
const FIRST_CHUNK = 3_000

/** The code of the error when it did. */
export const SILENT = 'ERR_STREAM_SILENT'

/**
 * One stream, until it ends: each event is told with the cursor behind it.
 *
 * @param room what it returns is waited for before more is read
 */
export async function sse<T>(
  asking: Asking,
  { receive, room }: { receive(batch: Batch<T>): void; room(): Promise<void> },
): Promise<void> {
  const { alive, settings, cursor = '' } = asking
  const response = await request(asking, EVENT_STREAM, () => alive(FIRST_CHUNK, SILENT))
  const type = response.headers.get('content-type')
  if (!type?.startsWith(EVENT_STREAM)) throw new ConnectionError('ERR_ANSWER', `This is no event stream but ${type}`)
  let named = false
  let place = cursor
  const parser = createParser({
    onComment(comment) {
      named ||= comment === CHANNELS
    },
    onEvent({ id = place, event, data }) {
      place = id
      if (event === GAP) receive({ cursor: id, messages: [], gap: true })
      else {
        const value = JSON.parse(data)
        receive({ cursor: id, messages: [{ id, ...(event && { event }), ...(named ? value : { data: value }) }] })
      }
    },
  })
  let head: string | undefined = ''
  for await (let text of texts(response)) {
    alive(Number.POSITIVE_INFINITY)
    if (head !== undefined) {
      text = head += text
      // an event without data, of which a parser does not tell, says where the stream begins
      const [start] = /^[^]*?\n\r?\n/.exec(text) ?? []
      const [, id] = /^id: ?(.*)/m.exec(start ?? '') ?? []
      if (id && !/^data/m.test(start ?? '')) receive({ cursor: id, messages: [] })
      if (start) head = undefined
      else text = ''
    }
    parser.feed(text)
    await room()
    alive(settings.quiet)
  }
}
