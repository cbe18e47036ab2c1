import type { Batch } from './batch.js'
import type { Asked } from './request.js'
import type { Subscription } from './subscription.js'

/** Answers all that is new, as soon as there is something, or 204 when the time is up. */
export async function poll(subscription: Subscription, { wait, prefers }: Asked): Promise<void> {
  const { ctx, settings } = subscription
  const { hold, jitter, now, random } = settings
  const span = Math.min(wait ?? Number.POSITIVE_INFINITY, hold * (1 - jitter * random()))
  if (prefers) {
    ctx.set('Preference-Applied', `wait=${Math.ceil(span / 1_000)}`)
    ctx.vary('Prefer')
  }
  const end = now() + span
  for (;;) {
    const reading = subscription.read()
    const batch = reading instanceof Promise ? await reading : reading
    const left = end - now()
    // nothing is set before the wait that would have to be kept for as long
    if (batch.news || left <= 0 || (await subscription.wait(left)) !== 'resumed') {
      subscription.stay()
      answer(ctx, batch)
      return
    }
    const authorizing = subscription.authorize()
    if (authorizing !== undefined) await authorizing
  }
}

function answer(ctx: Subscription['ctx'], batch: Batch): void {
  ctx.set('Cache-Control', 'no-store')
  ctx.set('ETag', `"${batch.place}"`)
  ctx.status = batch.news ? 200 : 204
  if (!batch.news) return
  ctx.set('Content-Type', 'application/json; charset=utf-8')
  ctx.body = batch.json
}
