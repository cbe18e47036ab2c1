import type { Puppy } from './puppies.js'

/** Fur, shadow of the fur, muzzle. */
const coats: Record<Puppy['coat'], readonly [string, string, string]> = {
  gold: ['#e0a458', '#b97b34', '#f7dcb0'],
  chocolate: ['#7a4b2f', '#55321d', '#c79a74'],
  black: ['#3b3838', '#211f1f', '#8d8682'],
  cream: ['#f1dfc3', '#d3b58c', '#fffaf0'],
  grey: ['#98a0a8', '#6f7780', '#dfe3e6'],
}

const papers = ['#f6d9c9', '#d4e6dd', '#dbe2f3', '#f3e3b8', '#ead7ea']

/** What a puppy looks like, by what the database knows of it. */
export function portrait({ id, coat, ears, patch, energy, cuddles, noise }: Puppy): string {
  const [fur, shadow, muzzle] = coats[coat]
  const paper = papers[id % papers.length]
  const parts = [
    `<rect x="-20" width="160" height="120" fill="${paper}"/>`,
    `<ellipse cx="60" cy="126" rx="36" ry="27" fill="${shadow}"/>`,
    ears === 'floppy'
      ? `<g fill="${shadow}"><ellipse cx="28" cy="58" rx="12" ry="25" transform="rotate(14 28 58)"/><ellipse cx="92" cy="58" rx="12" ry="25" transform="rotate(-14 92 58)"/></g>`
      : `<g fill="${shadow}" stroke="${shadow}" stroke-width="6" stroke-linejoin="round"><path d="M30 46 31 15 54 32Z"/><path d="M90 46 89 15 66 32Z"/></g>`,
    `<path d="M60 25c22 0 34 15 34 37S82 100 60 100 26 84 26 62s12-37 34-37Z" fill="${fur}"/>`,
    patch ? `<ellipse cx="76" cy="53" rx="15" ry="18" fill="${shadow}" transform="rotate(12 76 53)"/>` : '',
    energy < 25
      ? '<g fill="none" stroke="#1d1512" stroke-width="3" stroke-linecap="round"><path d="M40 55q6 5 12 0"/><path d="M68 55q6 5 12 0"/></g>'
      : '<g fill="#1d1512"><circle cx="46" cy="54" r="6"/><circle cx="74" cy="54" r="6"/></g><g fill="#fff"><circle cx="48" cy="52" r="2"/><circle cx="76" cy="52" r="2"/></g>',
    `<ellipse cx="60" cy="78" rx="20" ry="16" fill="${muzzle}"/>`,
    energy > 60 ? '<path d="M54 84h12v7a6 6 0 0 1-12 0Z" fill="#e8736f"/>' : '',
    '<path d="M60 74v6m0 0c-1 5-9 6-11 2m11-2c1 5 9 6 11 2" fill="none" stroke="#1d1512" stroke-width="2.5" stroke-linecap="round"/>',
    '<path d="M52 68q8-4 16 0 1 4-8 8-9-4-8-8Z" fill="#1d1512"/>',
    cuddles > 70
      ? '<g fill="#e8736f" opacity=".45"><circle cx="36" cy="72" r="5"/><circle cx="84" cy="72" r="5"/></g>'
      : '',
    noise > 70
      ? '<g fill="none" stroke="#1d1512" stroke-width="2.5" stroke-linecap="round" opacity=".55"><path d="M102 84q5 6 0 13"/><path d="M109 80q8 10 0 21"/></g>'
      : '',
  ]
  return `<svg viewBox="-20 0 160 120" aria-hidden="true">${parts.join('')}</svg>`
}
