/**
 * What a browser sends beside the path: with it a request of `/hold/all` has 560 bytes. Without `Accept-Encoding`, so that
 * nobody compresses what the driver reads.
 */
const browser = [
  'Connection: keep-alive',
  'Pragma: no-cache',
  'Cache-Control: no-cache',
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Dest: empty',
  'Accept-Language: en',
]

function request(line, headers) {
  return `${line} HTTP/1.1\r\nHost: localhost\r\n${headers.join('\r\n')}\r\n\r\n`
}

/** A request as a browser makes it. */
export function browse(path, { accept = '*/*', headers = [] } = {}) {
  return request(`GET ${path}`, [`Accept: ${accept}`, ...browser, `Cookie: ${cookie}`, ...headers])
}

export const size = 560
let cookie = ''
cookie = 'session='.padEnd(size - browse('/hold/all').length, 'x')

export const get = (path) => request(`GET ${path}`, [])

export function post(path, body, type = 'application/json') {
  return `${request(`POST ${path}`, [`Content-Type: ${type}`, `Content-Length: ${body.length}`])}${body}`
}

/** Publishes a message that says when it was sent, in 100 bytes. */
export function publish(key, stamp) {
  return post(`/publish/${key}`, JSON.stringify({ data: mark(stamp) }))
}

const filling = '.'.repeat(82)
const mark = (stamp) => `~${String(Math.round(stamp)).padStart(16, '0')}~${filling}`

/** Where the first mark from a place on begins, or -1. */
export function markIn(text, from) {
  const place = text.indexOf('~', from)
  return place >= 0 && text.length >= place + 18 ? place : -1
}

/** When the message with the mark at this place was sent. */
export const stampAt = (text, place) => Number(text.slice(place + 1, place + 17))
