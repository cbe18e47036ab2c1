// The plain hold that keeps its requests, as where somebody listens to them.
import { attach as attachHold } from './hold.js'

export const attach = (server, options) => attachHold(server, { ...options, compact: false })
