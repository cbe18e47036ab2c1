// In a process of its own: writes to a log in Redis, and follows it.
import { RedisLog } from '../../../src/log/redis/index.js'
import { writer } from '../writing.js'

writer(new RedisLog({ url: process.env['REDIS_URL'] }))
