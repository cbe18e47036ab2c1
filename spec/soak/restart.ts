// A server of many held requests and streams that ends while messages go on: `npm run soak:restart -- [polls] [streams]`
import { restart } from './restarts.js'

const [polls = 5_000, streams = 50] = process.argv.slice(2).map(Number)
const { code, took, errors, refused, messages, missed, doubled } = await restart({ polls, streams })
console.log(`Node ${process.version}: ${polls} held requests and ${streams} streams at a server that gets a SIGTERM`)
console.log(`it ended with exit code ${code} after ${(took / 1_000).toFixed(1)} s, of at most 10`)
console.log(
  `${messages} messages meanwhile: ${missed} missed, ${doubled} doubled; ${refused} requests were answered 503`,
)
console.log(`${errors} connection errors at the clients`)
process.exitCode = code === 0 && took < 10_000 && errors + missed + doubled === 0 ? 0 : 1
