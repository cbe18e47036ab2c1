import { offload } from 'koa-continuation/offload'
import type ask from './database-thread.js'

/** What the app needs of a database. */
export interface Database {
  query(sql: string, values?: readonly unknown[]): Promise<unknown[]>
  close(): Promise<void>
}

/** An embedded SQL database in a thread of its own, so that a slow query does not stop the server's event loop. */
export function openDatabase(): Database {
  const query = offload<typeof ask>(new URL('database-thread.ts', import.meta.url), {
    name: 'database',
    threads: 1,
    // the data are in the thread: it must not be ended
    idle: Number.POSITIVE_INFINITY,
    patience: Number.POSITIVE_INFINITY,
  })
  return { query: (sql, values = []) => query({ sql, values }), close: query.close }
}
