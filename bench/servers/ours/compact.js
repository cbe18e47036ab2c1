// The plain hold that lets go of its requests.
import { attach as attachHold } from './hold.js'

export const attach = (server, options) => attachHold(server, { ...options, compact: true })
