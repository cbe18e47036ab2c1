/**
 * Seconds for `Retry-After`, drawn between 1 and `most`: those sent away together do not come back together.
 *
 * @param random a number from 0 to 1; of a source of one's own, 1 itself may come
 */
export function retryAfter(random: () => number, most = 10): number {
  return Math.min(most, 1 + Math.floor(random() * most))
}
