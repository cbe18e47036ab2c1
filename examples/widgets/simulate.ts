import type { Clock } from 'koa-continuation'
import type { Board } from './board.js'
import type { Widgets } from './state.js'

export interface SimulateOptions {
  /** Milliseconds from one change to the next. Default 1 000. */
  every?: number
  /** Numbers from 0 to 1. Default `Math.random`. */
  random?: () => number
  /** Default the machine's. */
  clock?: Pick<Clock, 'setTimeout' | 'clearTimeout'>
}

const menu = ['Espresso', 'Flat white', 'Cappuccino', 'Filter', 'Iced latte', 'Hot chocolate', 'Cinnamon roll', 'Scone']

/** Lets guests come and go. @returns stops it */
export function simulate(
  board: Board,
  {
    every = 1_000,
    random = Math.random,
    clock = { setTimeout, clearTimeout } as Pick<Clock, 'setTimeout' | 'clearTimeout'>,
  }: SimulateOptions = {},
): () => void {
  const tick = (): void => {
    timer = clock.setTimeout(tick, every, undefined)
    board.change((widgets) => step(widgets, random)).catch(console.error)
  }
  let timer = clock.setTimeout(tick, every, undefined)
  return () => clock.clearTimeout(timer)
}

/** What has changed a moment later. */
function step(widgets: Widgets, random: () => number): Widgets {
  const {
    visitors = 0,
    orders = 0,
    load = 0,
    temperature = 0,
    latest = [],
  } = widgets as Record<string, number> & {
    latest?: string[]
  }
  const about = (spread: number): number => (random() - 0.5) * 2 * spread
  const guests = clamp(Math.round(visitors + about(2.4) + (24 - visitors) * 0.04), 0, 60)
  const changes: Record<string, Widgets[string]> = {
    load: clamp(Math.round(load * 0.85 + guests * 0.34 + about(7)), 0, 100),
    temperature: Math.round(clamp(temperature * 0.9 + 20.4 + about(1.6), 190, 220) * 10) / 10,
  }
  if (guests !== visitors) changes['visitors'] = guests
  if (random() < 0.35) {
    changes['orders'] = orders + 1
    changes['latest'] = [menu[Math.floor(random() * menu.length)] ?? 'Espresso', ...latest].slice(0, 5)
  }
  return changes
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
