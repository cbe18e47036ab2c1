import type { Batch } from './batch.js'
import type { Asked } from './request.js'
import type { Subscription } from './subscription.js'

/** Answers all that is new, as soon as there is something, or 204 when the time is up. */
export async function poll(subscription: Subscription, { wait, prefers }: Asked): Promise<void> {
  const { ctx, settings } = subscription
  const { hold, jitter, now, random } = settings
  const span = Math.min(wait ?? Number.POSITIVE_INFINITY, hold * (1 - jitter * random()))
  ctx.set('Cache-Control', 'no-store')
  if (prefers) {
    ctx.set('Preference-Applied', `wait=${Math.ceil(span / 1_000)}`)
    ctx.vary('Prefer')
  }
  const end = now() + span
  for (;;) {
    const batch = await subscription.read()
    ctx.set('ETag', `"${batch.place}"`)
    if (batch.news) {
      answer(ctx, batch)
      return
    }
    // what is sent when the time is up, and when somebody completes it
    ctx.status = 204
    const left = end - now()
    if (left <= 0) return
    const outcome = await subscription.wait(left)
    if (outcome !== 'resumed') return
    await subscription.authorize()
  }
}

function answer(ctx: Subscription['ctx'], { json }: Batch): void {
  ctx.status = 200
  ctx.set('Content-Type', 'application/json; charset=utf-8')
  ctx.body = json
}
