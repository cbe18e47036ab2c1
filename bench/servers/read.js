import { json } from 'node:stream/consumers'

/** The message that a request publishes. */
export async function read(req) {
  const { data } = await json(req)
  return data
}
