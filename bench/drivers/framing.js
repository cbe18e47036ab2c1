/** How many characters the first response in `text` has, with its body; 0 where it is not all there. */
export function responseIn(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return 0
  const head = text.slice(0, end + 2)
  const length = headerIn(head, 'content-length')
  if (length !== undefined) {
    const whole = end + 4 + Number(length)
    return text.length >= whole ? whole : 0
  }
  if (headerIn(head, 'transfer-encoding') === undefined) return end + 4
  for (let at = end + 4; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return 0
    const size = Number.parseInt(text.slice(at, line), 16)
    at = line + 2 + size + 2
    if (at > text.length) return 0
    if (size === 0) return at
  }
}

/** The value of a header, by its name in small letters. */
export function headerIn(head, name) {
  for (let at = head.indexOf('\r\n'); at >= 0; at = head.indexOf('\r\n', at + 2)) {
    const colon = at + 2 + name.length
    if (head[colon] !== ':' || head.slice(at + 2, colon).toLowerCase() !== name) continue
    return head.slice(colon + 1, head.indexOf('\r\n', colon)).trim()
  }
  return undefined
}
