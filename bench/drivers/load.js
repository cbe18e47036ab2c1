// As many requests as it is told to make, over keep-alive connections, one at a time on each.
import autocannon from 'autocannon'
import { answer } from '../support/answer.js'

/** Seconds from the first request to the last response. */
async function load({ url, amount, connections }) {
  let responses = 0
  let ended
  const begun = performance.now()
  const running = autocannon({ url, amount, connections, sampleInt: 20 })
  running.on('response', () => {
    if (++responses === amount) ended = performance.now()
  })
  const { '2xx': ok, errors } = await running
  if (ok !== amount || errors > 0) throw new Error(`${ok} of ${amount} were answered, with ${errors} errors`)
  return (ended - begun) / 1000
}

answer({ load })
