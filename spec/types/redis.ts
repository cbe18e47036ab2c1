// Compiled, never run: what an editor and a compiler must say of the public types.
import { Channel, type Log, LogError } from 'koa-continuation'
import { RedisLog, type RedisLogOptions, type RedisLogState, type RedisLogStatistics } from 'koa-continuation/redis'
import { createClient } from 'redis'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

const log = new RedisLog()
same<Promise<void>, ReturnType<typeof log.ready>>(true)
same<RedisLogState, typeof log.state>(true)
same<RedisLogStatistics, typeof log.statistics>(true)
same<Error | undefined, typeof log.statistics.lastTrouble>(true)
const asLog: Log = log
new Channel('news', { log: asLog })

// a client of whatever protocol, with modules or scripts
new RedisLog({ client: createClient() })
new RedisLog({ client: createClient({ RESP: 2, scripts: {} }) })
new RedisLog({ client: () => createClient() })
new RedisLog({ client: async () => createClient({ url: 'redis://127.0.0.1' }) })
const options: RedisLogOptions = { url: undefined, wait: 0, onTrouble: ({ message }) => message }
new RedisLog(options)
// @ts-expect-error there is no such option
new RedisLog({ host: 'localhost' })
// @ts-expect-error a client, or what gives one
new RedisLog({ client: 'redis://127.0.0.1' })

const error: unknown = null
if (error instanceof LogError) same<boolean, typeof error.inDoubt>(true)
