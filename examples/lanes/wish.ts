import type Koa from 'koa'
import { Refusal } from './refusal.js'

/** What sort of puppy somebody looks for. */
export interface Wish {
  readonly energy: number
  readonly cuddles: number
  readonly noise: number
  readonly page: number
  /** Members of the kennel club go first. */
  readonly member: boolean
}

export function wishOf({ query }: Koa.Context): Wish {
  const whole = (
    name: 'energy' | 'cuddles' | 'noise' | 'page',
    least: number,
    most: number,
    otherwise: number,
  ): number => {
    const value = query[name] ?? String(otherwise)
    const number = Number(value)
    if (typeof value === 'string' && /^\d{1,4}$/.test(value) && number >= least && number <= most) return number
    throw new Refusal(400, 'ERR_INVALID_WISH', `${name} must be a whole number from ${least} to ${most}`)
  }
  return {
    energy: whole('energy', 0, 100, 50),
    cuddles: whole('cuddles', 0, 100, 80),
    noise: whole('noise', 0, 100, 20),
    page: whole('page', 1, 999, 1),
    member: query['member'] !== undefined,
  }
}
