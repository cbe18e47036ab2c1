import { ConnectionError } from './errors.js'
import type { Batch } from './message.js'
import { type Asking, read, request } from './request.js'
import type { WireAnswer } from './wire.js'

/** One poll. Its answer counts when it is whole. */
export async function poll<T>(asking: Asking): Promise<Batch<T>> {
  const { cursor, alive, settings } = asking
  const response = await request(asking, 'application/json')
  if (response.status === 204) {
    const [, place = cursor] = /"(.*)"/.exec(response.headers.get('etag') ?? '') ?? []
    return place === undefined ? refuse('no ETag exposed') : { cursor: place, messages: [] }
  }
  let text = ''
  await read(response, (part) => {
    alive(settings.deadline)
    text += part
  })
  const answer = JSON.parse(text) as WireAnswer
  if (!answer?.cursor || !answer.messages) refuse(text.slice(0, 60))
  if (answer.messages.length && answer.cursor === cursor) refuse('the same again')
  return answer as Batch<T>
}

function refuse(what: string): never {
  throw new ConnectionError('ERR_ANSWER', `This is no answer of a channel: ${what}`)
}
