import { PGlite } from '@electric-sql/pglite'

/** What a query comes to when it is given to the thread. */
export interface Query {
  readonly sql: string
  readonly values: readonly unknown[]
}

/** The database lives in this thread, from its first query on. */
const database = PGlite.create()

/** Answers one query. Several statements at once are for those without values. */
export default async function ask({ sql, values }: Query): Promise<unknown[]> {
  const open = await database
  if (values.length > 0) return (await open.query(sql, [...values])).rows
  return (await open.exec(sql)).at(-1)?.rows ?? []
}
