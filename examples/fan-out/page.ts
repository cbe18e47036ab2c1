import { readFileSync } from 'node:fs'
import type { Name } from './services.js'

/** Why one service said nothing. */
export type Missing = 'failed' | 'busy' | 'too slow'

/** What one service said, or why it did not. */
export interface Part {
  readonly name: Name
  /** Milliseconds after the request; unless it was given up. */
  readonly ms: { readonly from: number; readonly to: number } | undefined
  readonly says?: string
  readonly missing?: Missing
}

export interface Trip {
  readonly city: string
  /** Milliseconds for all together. */
  readonly limit: number
  readonly parts: readonly Part[]
  /** How long the request took, and how much of that the handler ran. */
  readonly ms: { readonly total: number; readonly handler: number }
}

const style = readFileSync(new URL('page.css', import.meta.url), 'utf8')

export function tripPage({ city, limit, parts, ms }: Trip): string {
  const name = escaped(city)
  // one that was not asked has taken no time
  const taken = ({ ms, missing }: Part): { from: number; to: number } =>
    ms ?? { from: 0, to: missing === 'busy' ? 0 : limit }
  const row = (part: Part): string => {
    const { name, ms, says, missing } = part
    const { from, to } = taken(part)
    const bar = `<div class="bar" style="--from:${(from / limit) * 100};--to:${Math.min(100, (to / limit) * 100)}"></div>`
    const time = ms !== undefined ? `${to} ms` : missing === 'busy' ? 'not asked' : `over ${limit} ms`
    return `<tr class="${missing === undefined ? 'said' : 'missing'}"><th scope="row">${name}</th>
      <td class="says">${escaped(says ?? missing ?? '')}</td><td class="time">${time}</td><td class="line">${bar}</td></tr>`
  }
  const one = parts.map(taken).reduce((sum, { from, to }) => sum + to - from, 0)
  const came = parts.filter(({ says }) => says !== undefined).length
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A trip to ${name}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header><h1>A trip to ${name}</h1><p>${came} of ${parts.length} services answered within ${limit} ms.</p></header>
<main><table>
<thead><tr><th>service</th><th>says</th><th class="time">after</th><th class="line"><span>0</span><span>${limit} ms</span></th></tr></thead>
<tbody>${parts.map(row).join('\n')}</tbody>
</table></main>
<footer>
  <div><b>${ms.total} ms</b> until this answer</div>
  <div><b>${one} ms</b> or more, one service after the other</div>
  <div><b>${ms.handler} ms</b> of that our handler ran, in two dispatches</div>
</footer>
<nav>${['Basel', 'Porto', 'Gdańsk', 'Trieste'].map((city) => `<a href="/trip/${encodeURIComponent(city)}">${city}</a>`).join('')}</nav>
</body>
</html>
`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}
