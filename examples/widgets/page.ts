/// <reference lib="dom" />
import { type ConnectionState, connect } from 'koa-continuation/client'
import { kinds } from './kinds.js'
import { changed, nothing, type Shown, type State, type Widgets } from './state.js'

const elements = [...document.querySelectorAll<HTMLElement>('[data-widget]')]
let shown: Shown = nothing

/** One request for all tabs; and who looks at it wants to know soon that it is cut off: seconds, and milliseconds. */
const manner = { share: true, wait: 3, deadline: 5_000, retry: { max: 5_000 } }

/** Takes the present state, and the changes from there on; where changes were missed, all over again. */
async function follow(): Promise<never> {
  for (;;) {
    const { cursor, ...state } = await presentState()
    show(state)
    const connection = connect<Widgets>('/changes', { cursor, ...manner })
    connection.addEventListener('state', ({ detail }) => say(detail))
    // the state has what was missed
    connection.addEventListener('gap', () => connection.close())
    try {
      for await (const { data } of connection) show(changed(shown, data), data)
    } catch (error) {
      say('refused', (error as Error).message)
      await pause(5_000)
    }
  }
}

async function presentState(): Promise<State> {
  for (;;) {
    try {
      return await answerTo('/state')
    } catch {
      say('waiting')
      await pause(1_000)
    }
  }
}

function show(next: Shown, changes: Widgets = {}): void {
  shown = next
  draw(changes)
  element('time').textContent = new Date().toLocaleTimeString()
}

/** All of them: what one shows may depend on the widget of another. */
function draw(changes: Widgets = {}): void {
  for (const element of elements) {
    const { widget = '', kind = 'text' } = element.dataset
    const value = shown.widgets[widget]
    if (value === undefined) continue
    kinds[kind]?.(element, value, shown)
    if (widget in changes) highlight(element)
  }
}

function highlight(element: HTMLElement): void {
  element.classList.remove('changed')
  // read, so that the animation begins anew
  void element.offsetWidth
  element.classList.add('changed')
}

type Said = ConnectionState | 'refused'

const words: Record<Said, [state: string, text: string]> = {
  connecting: ['connecting', 'Connecting'],
  open: ['live', 'Live'],
  waiting: ['reconnecting', 'Reconnecting'],
  paused: ['offline', 'Offline'],
  closed: ['gap', 'Catching up'],
  refused: ['refused', 'Refused'],
}

function say(said: Said, why?: string): void {
  const [state, text] = words[said]
  document.documentElement.dataset['state'] = state
  element('state').textContent = why === undefined ? text : `${text}: ${why}`
}

for (const form of document.querySelectorAll('form')) {
  const output = form.querySelector('output') as HTMLOutputElement
  const { atOnce } = form.dataset
  const send = async (): Promise<void> => {
    const changes = Object.fromEntries(new FormData(form))
    try {
      output.textContent = ''
      await answerTo('/widgets', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(changes),
      })
      delete form.dataset['editing']
    } catch (error) {
      output.textContent = (error as Error).message
      // a choice goes back to what is; what was typed stays, to be corrected
      if (atOnce !== undefined) delete form.dataset['editing']
    }
    // a field shows what was set meanwhile, by whomever
    draw()
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    send()
  })
  // a field that somebody types into keeps what was typed until it is sent
  form.addEventListener('input', () => {
    form.dataset['editing'] = ''
  })
  if (atOnce !== undefined) form.addEventListener('change', send)
}

async function answerTo<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { ...options, cache: 'no-store' })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error.message)
  return answer
}

function element(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

follow()
