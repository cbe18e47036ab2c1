// The same with continuations() above it.
import { continuations } from 'koa-continuation'
import { attach as attachKoa } from './koa.js'

export const attach = (server, options) => attachKoa(server, options, continuations())
