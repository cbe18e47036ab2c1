import { readFileSync } from 'node:fs'
import type { LaneStats } from 'koa-continuation/lanes'
import { portrait } from './portrait.js'
import { type Puppy, perPage } from './puppies.js'
import type { Wish } from './wish.js'

/** What a query came to, and how long that took, in milliseconds. */
export interface Found {
  readonly puppies: readonly Puppy[]
  readonly ms: { readonly inLine: number; readonly query: number }
}

const style = readFileSync(new URL('page.css', import.meta.url), 'utf8')

export function puppiesPage({ puppies, ms }: Found, wish: Wish, { running, waiting }: LaneStats): string {
  const onwards =
    puppies.length === perPage ? `<a href="${address({ ...wish, page: wish.page + 1 })}">More puppies</a>` : ''
  const back = wish.page > 1 ? `<a href="${address({ ...wish, page: wish.page - 1 })}">Back</a>` : ''
  return whole(
    'Puppies',
    `<header><h1>Puppies looking for a home</h1><p>Tell us what you are like to live with, and the nearest come first.</p></header>
    <form>
      ${slider('energy', 'Energy', 'sleeps all day', 'never sits', wish.energy)}
      ${slider('cuddles', 'Cuddles', 'from afar', 'always', wish.cuddles)}
      ${slider('noise', 'Noise', 'a quiet one', 'tells everybody', wish.noise)}
      <div class="send">
        <label><input type="checkbox" name="member"${wish.member ? ' checked' : ''}> Club member: served first</label>
        <button>Find my puppy</button>
      </div>
    </form>
    <main>${puppies.map(card).join('')}</main>
    <nav>${back}${onwards}</nav>
    <footer>
      <span><b>${ms.inLine}</b> ms in line</span><span><b>${ms.query}</b> ms of the database’s time</span>
      <span><b>${running}</b> at the database now, <b>${waiting}</b> in line</span>
    </footer>`,
  )
}

/** A refusal for people. After these seconds, if any, the page asks again by itself. */
export function refusalPage(message: string, seconds: string | undefined): string {
  const text = seconds
    ? `<h1>All our hands are full of puppies</h1><p>Please wait a moment: this page asks again by itself.</p>`
    : '<h1>We have no such puppy</h1>'
  return whole(
    seconds ? 'One moment' : 'No such puppy',
    `<header class="refusal">${text}<p><small>${escaped(message)}</small></p><p><a href="/">All puppies</a></p></header>`,
    seconds ? `<meta http-equiv="refresh" content="${seconds}">` : '',
  )
}

function whole(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${head}<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`
}

function card(puppy: Puppy): string {
  const { id, name, weeks, friend, energy, cuddles, noise } = puppy
  const bars = Object.entries({ energy, cuddles, noise }).map(
    ([what, value]) => `<dt>${what}</dt><dd style="--part:${value}"><span class="unseen">${value}</span></dd>`,
  )
  return `<article id="puppy-${id}">${portrait(puppy)}<div>
    <h2>${escaped(name)} <small>${weeks} weeks</small></h2>
    <dl>${bars.join('')}</dl>
    <p>Plays best with <b>${escaped(friend)}</b></p>
  </div></article>`
}

function slider(name: string, label: string, least: string, most: string, value: number): string {
  return `<div><label for="${name}">${label}</label>
    <input type="range" id="${name}" name="${name}" min="0" max="100" value="${value}">
    <small><span>${least}</span><span>${most}</span></small></div>`
}

function address({ energy, cuddles, noise, page, member }: Wish): string {
  return `/?energy=${energy}&amp;cuddles=${cuddles}&amp;noise=${noise}${member ? '&amp;member' : ''}&amp;page=${page}`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}
