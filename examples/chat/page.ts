/// <reference lib="dom" />
import type { ConnectionState } from 'koa-continuation/client'
import type { Line, Room } from './room.js'
import { type View, Visitor } from './visitor.js'

const main = document.querySelector('main') as HTMLElement
const lines = document.getElementById('lines') as HTMLOListElement
const people = document.getElementById('people') as HTMLUListElement
const enter = document.getElementById('enter') as HTMLFormElement
const speak = document.getElementById('speak') as HTMLFormElement

let visitor: Visitor | undefined
let last: Line | undefined

const view: View = {
  show(room, isMissing) {
    enter.hidden = true
    lines.hidden = false
    last = undefined
    lines.replaceChildren(...(isMissing ? [note('Something was missed here')] : []), ...room.lines.map(lineOf))
    showPeople(room)
    main.scrollTop = 0
  },

  add(line, room) {
    const element = lineOf(line)
    element.classList.add('new')
    lines.append(element)
    while (lines.childElementCount > 500) lines.firstElementChild?.remove()
    if (line.kind !== 'say') showPeople(room)
    if (line.id === visitor?.id) main.scrollTop = 0
  },

  stands(state) {
    say(state)
  },
}

function lineOf(line: Line): HTMLElement {
  const { kind, id, name, text = '', at } = line
  const before = last
  last = line
  if (kind !== 'say') return note(made('bdi', '', name), kind === 'join' ? ' has come in' : ' has left')
  const element = made('li', 'say')
  const isSame = before?.kind === 'say' && before.id === id && at - before.at < 120_000
  element.classList.toggle('same', isSame)
  element.classList.toggle('own', id === visitor?.id)
  element.style.setProperty('--hue', hueOf(name))
  const by = made('div', 'by')
  by.append(made('bdi', '', name), time(at))
  const said = made('div', 'text', text)
  // of the language that it is in
  said.dir = 'auto'
  element.append(made('span', 'mark', initials(name)), by, said)
  return element
}

function showPeople({ people: all }: Room): void {
  const items = Object.entries(all)
    .sort(([, one], [, other]) => one.localeCompare(other))
    .map(([id, name]) => {
      const item = made('li', id === visitor?.id ? 'you' : '')
      item.style.setProperty('--hue', hueOf(name))
      item.append(made('span', 'mark', initials(name)), made('bdi', '', name))
      return item
    })
  people.replaceChildren(...items)
}

function note(...parts: (HTMLElement | string)[]): HTMLElement {
  const element = made('li', 'note')
  element.append(...parts)
  return element
}

function time(at: number): HTMLElement {
  const element = made('time', '', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
  element.setAttribute('datetime', new Date(at).toISOString())
  return element
}

function made(tag: string, className: string, text = ''): HTMLElement {
  const element = document.createElement(tag)
  if (className !== '') element.className = className
  // text, whatever it looks like
  element.textContent = text
  return element
}

function initials(name: string): string {
  return [...name].slice(0, 2).join('')
}

/** The same for everybody who looks at the name. */
function hueOf(name: string): string {
  let hash = 0
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 100_003
  // names that are nearly the same are far apart
  return String((hash * 137.5) % 360)
}

const words: Record<ConnectionState | 'refused', string> = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Reconnecting',
  paused: 'Offline',
  closed: 'Catching up',
  refused: 'Refused',
}

function say(state: keyof typeof words, why?: string): void {
  document.documentElement.dataset['state'] = state
  const element = document.getElementById('state') as HTMLElement
  element.textContent = why === undefined ? words[state] : `${words[state]}: ${why}`
}

/** This tab's own, and kept when it is loaded anew. */
function keyOfTab(): string {
  const key = sessionStorage.getItem('key') ?? Array.from(crypto.getRandomValues(new Uint32Array(4))).join('-')
  sessionStorage.setItem('key', key)
  return key
}

async function comeIn(name: string): Promise<void> {
  const output = enter.querySelector('output') as HTMLOutputElement
  output.textContent = ''
  // a second visitor would show all that is said once more
  enter.inert = true
  visitor = new Visitor({ name, key: keyOfTab(), view })
  let isIn = false
  try {
    await visitor.stay(() => {
      isIn = true
      sessionStorage.setItem('name', name)
      speak.querySelector('input')?.focus()
    })
  } catch (error) {
    if (isIn) return say('refused', (error as Error).message)
    sessionStorage.removeItem('name')
    document.documentElement.dataset['state'] = 'outside'
    output.textContent = (error as Error).message
    enter.inert = false
    enter.querySelector('input')?.focus()
  }
}

enter.addEventListener('submit', (event) => {
  event.preventDefault()
  comeIn(String(new FormData(enter).get('name')).trim())
})

speak.addEventListener('submit', async (event) => {
  event.preventDefault()
  const input = speak.querySelector('input') as HTMLInputElement
  const output = speak.querySelector('output') as HTMLOutputElement
  const text = input.value.trim()
  if (text === '') return
  // what is typed meanwhile stays, and so does what could not be said
  input.value = ''
  output.textContent = ''
  try {
    await visitor?.say(text)
  } catch (error) {
    output.textContent = `Not said: ${(error as Error).message}`
    if (input.value === '') input.value = text
  }
})

// it may be loaded anew, and be back at once
addEventListener('pagehide', () => {
  if (visitor?.id === undefined || visitor.id === '') return
  const body = new Blob([JSON.stringify({ key: keyOfTab() })], { type: 'application/json' })
  navigator.sendBeacon('/people/going', body)
})

const name = new URLSearchParams(location.search).get('name') ?? sessionStorage.getItem('name')
if (name !== null && name.trim() !== '') comeIn(name.trim())
else enter.querySelector('input')?.focus()
