import { dial } from './client.js'
import { responseIn } from './framing.js'
import { get } from './requests.js'

/** As many requests as it is told to make, over keep-alive connections, one at a time on each. Seconds that it took. */
export async function load({ port, path, amount, connections }) {
  const request = get(path)
  let left = amount
  let running = 0
  const sockets = []
  const begin = []
  let begun
  await new Promise((resolve, reject) => {
    for (let count = 0; count < connections; count++) {
      let text = ''
      const socket = dial(port, (more) => {
        text += more
        const size = responseIn(text)
        if (size === 0) return
        if (!text.startsWith('HTTP/1.1 200')) reject(new Error(`not what was asked for: ${text.slice(0, 200)}`))
        text = text.slice(size)
        running--
        ask()
        if (left === 0 && running === 0) resolve()
      })
      const ask = () => {
        if (left === 0) return
        left--
        running++
        sockets[count].write(request, 'latin1')
      }
      begin.push(ask)
      sockets.push(socket)
    }
    Promise.all(sockets).then((connected) => {
      sockets.splice(0, sockets.length, ...connected)
      begun = performance.now()
      for (const ask of begin) ask()
    }, reject)
  })
  const seconds = (performance.now() - begun) / 1000
  for (const socket of sockets) socket.resetAndDestroy()
  return { seconds }
}
