import type { Pool, PoolClient, QueryResult, QueryResultRow } from "pg"

/** Anything that runs one statement: the pool, or the connection of a transaction. */
export type Queryable = {
  query<R extends QueryResultRow>(statement: Statement): Promise<QueryResult<R>>
}

/** One open transaction. Only {@link inTransaction} makes it, so a function that asks for it runs inside one. */
export type Transaction = Queryable & { readonly inTransaction: true }

/** `name` makes pg prepare the text once per connection; it must be unique to the text. */
export type Statement = { readonly name?: string; readonly text: string; readonly values?: unknown[] }

const asTransaction = (client: PoolClient): Transaction => ({
  inTransaction: true,
  query: (statement) => client.query(statement),
})

/**
 * Runs `work` in one transaction (READ COMMITTED): all of it is committed, or none.
 * A connection on which even ROLLBACK fails is thrown away instead of being handed to the next caller.
 */
export async function inTransaction<T>(pool: Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // The statement under way tells the caller; without a listener a lost connection would end the process.
  const onLost = (error: Error): void => {
    broken = error
  }
  client.on("error", onLost)
  try {
    await client.query("BEGIN")
    const result = await work(asTransaction(client))
    await client.query("COMMIT")
    return result
  } catch (error) {
    await client.query("ROLLBACK").catch((failure: Error) => {
      broken = failure
    })
    throw error
  } finally {
    client.off("error", onLost)
    client.release(broken)
  }
}
