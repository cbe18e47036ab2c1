// A thread begins with plain JavaScript on some Nodes, whatever the process was begun with.
import { register } from 'tsx/esm/api'

register()
await import('./worker.ts')
