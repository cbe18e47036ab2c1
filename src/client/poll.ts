import type { Batch } from './message.js'
import { type Asking, read, refuse, request } from './request.js'
import type { WireAnswer } from './wire.js'

/** One poll. Its answer counts when it is whole. */
export async function poll<T>(asking: Asking): Promise<Batch<T>> {
  const { cursor, alive, deadline } = asking
  const response = await request(asking, 'application/json')
  const empty = response.status === 204
  let text = ''
  if (!empty) {
    await read(response, (part) => {
      alive(deadline)
      text += part
    })
  }
  const place = response.headers.get('etag')?.split('"')[1] ?? cursor
  const answer = (empty ? { cursor: place, messages: [] } : JSON.parse(text)) as WireAnswer
  if (!answer?.cursor || !answer.messages) refuse(empty ? 'no ETag exposed' : text.slice(0, 60))
  if (answer.messages.length && answer.cursor === cursor) refuse('the same again')
  return answer as Batch<T>
}
