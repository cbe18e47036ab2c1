import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a trip needs to know, each from a service of its own. */
export const names = ['weather', 'trains', 'hotels', 'sights', 'news'] as const

export type Name = (typeof names)[number]

export interface ServicesOptions {
  /** How long a service takes. Default a time at random, by its temper. */
  wait?: (name: Name, signal: AbortSignal) => Promise<unknown>
  /** Numbers from 0 to 1. Default `Math.random`. */
  random?: () => number
}

/** Milliseconds at the least and as a rule at the most, how often it takes much longer, and how often it fails. */
const tempers: Record<Name, { least: number; most: number; slow: number; fails: number }> = {
  weather: { least: 40, most: 160, slow: 0, fails: 0 },
  trains: { least: 200, most: 700, slow: 0.1, fails: 0 },
  hotels: { least: 300, most: 1_300, slow: 0.3, fails: 0 },
  sights: { least: 100, most: 400, slow: 0, fails: 0.15 },
  news: { least: 80, most: 600, slow: 0.15, fails: 0.1 },
}

/** Five slow services on one port, for the example: they know what they say, and take their time to say it. */
export function createServices({ wait, random = Math.random }: ServicesOptions = {}): Server {
  const takes = (name: Name, signal: AbortSignal): Promise<unknown> => {
    const { least, most, slow } = tempers[name]
    return sleep(random() < slow ? 5_000 : least + random() * (most - least), undefined, { signal })
  }
  return createServer(async ({ url = '' }, res) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const name = names.find((name) => pathname === `/${name}`)
    // nobody waits any more: it stops
    const left = new AbortController()
    res.on('close', () => left.abort())
    if (name !== undefined) await (wait ?? takes)(name, left.signal).catch(() => {})
    if (name === undefined) res.statusCode = 404
    else if (random() < tempers[name].fails) res.statusCode = 502
    else
      res
        .setHeader('Content-Type', 'application/json')
        .write(JSON.stringify(says(name, searchParams.get('city') ?? '')))
    res.end()
  })
}

/** The same for the same city. */
function says(name: Name, city: string): string {
  const number = [...name, ...city].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9_973, 7)
  const one = (...of: string[]): string => of[number % of.length] as string
  switch (name) {
    case 'weather':
      return one('Sun, 24 °C', 'Showers, 17 °C', 'Fog until noon, 11 °C', 'Wind from the sea, 19 °C')
    case 'trains':
      return one('Every hour, at 12 past', 'At 8:04, 11:04 and 17:34', 'Twice a day, change in Bern')
    case 'hotels':
      return one('The Anchor, 84 €', 'Pension Lina, 59 €', 'Grand Central, 140 €', 'Under the Lime Trees, 72 €')
    case 'sights':
      return one('The old market hall', 'A tower of 311 steps', 'The museum of clocks', 'The harbour by night')
    case 'news':
      return one('The flower market opens on Saturday', 'The fair is in town', 'Nothing happens, and people like it')
  }
}
